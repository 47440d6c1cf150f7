"""Mounts a file system that never answers: `hang_mount.py FOLDER` (root, Linux with FUSE).

It says `mounted`, and unmounts when its input ends."""
import ctypes
import os
import sys

MNT_DETACH = 2

libc = ctypes.CDLL(None, use_errno=True)
folder = sys.argv[1].encode()
# Nobody reads the requests from this descriptor, so each waits for ever, as those to a server that is gone do.
requests = os.open("/dev/fuse", os.O_RDWR)
options = f"fd={requests},rootmode=40000,user_id=0,group_id=0".encode()
if libc.mount(b"hang", folder, b"fuse.hang", 0, options) != 0:
    sys.exit(os.strerror(ctypes.get_errno()))
print("mounted", flush=True)
sys.stdin.read()
libc.umount2(folder, MNT_DETACH)
