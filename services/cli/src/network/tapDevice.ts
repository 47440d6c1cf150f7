import { openSync } from 'node:fs';
import { endianness, constants as os } from 'node:os';
import { MaestroError } from '@maestro/protocol';
import koffi from 'koffi';

/** The end of a cable held by a process: what is sent to the device can be read, what is written comes out of it. */
export interface TapDevice {
  readonly fd: number;
  /** Copies the next frame into `buffer`; returns its length, or 0 when there is none now. */
  readInto(buffer: Uint8Array): number;
  /** Sends a frame; one that the system has no room for is lost. */
  write(frame: Uint8Array): void;
}

// From linux/if_tun.h; the same on all processors that Node supports except MIPS and PowerPC.
const TUNSETIFF = 0x400454ca;
const TUNSETOFFLOAD = 0x400454d0;
const IFF_TAP = 0x0002;
const IFF_NO_PI = 0x1000;
const IFF_VNET_HDR = 0x4000;
/** TUN_F_CSUM, TUN_F_TSO4 and TUN_F_TSO6. */
const OFFLOADS = 0x1 | 0x2 | 0x4;
/** struct ifreq: a name of 16 bytes, then a union whose first member here is 16 bits of flags. */
const IFREQ_BYTES = 40;
const IFREQ_FLAGS = 16;
const O_RDWR_NONBLOCK = 0o4002;
const POLLIN = 1;
const POLLFD_BYTES = 8;

/** Node has no ioctl, and its reads would take a thread each. */
const libc = koffi.load('libc.so.6');
const ioctlPointer = libc.func('int ioctl(int fd, unsigned long request, void *argument)') as (...args: unknown[]) => number;
const ioctlNumber = libc.func('ioctl', 'int', ['int', 'unsigned long', 'unsigned long']) as (...args: unknown[]) => number;
const read = libc.func('int64_t read(int fd, void *buffer, uint64_t size)') as (fd: number, buffer: Uint8Array, size: number) => number;
const write = libc.func('int64_t write(int fd, void *buffer, uint64_t size)') as (fd: number, frame: Uint8Array, size: number) => number;
const ppoll = libc.func('int ppoll(void *fds, unsigned long count, void *timeout, void *signals)') as (...args: unknown[]) => number;

/**
 * Creates a device with that name in the network namespace of this process; it ends with the process. With `isWhole`, frames have the size
 * at which the sender's system passes them to its network card, 64 KiB at most, with a header for further segmentation: six times as fast.
 * @throws MaestroError `unavailable` when the system refuses.
 */
export function openTap(name: string, { isWhole }: { readonly isWhole: boolean }): TapDevice {
  const fail = (what: string, cause?: unknown): MaestroError =>
    new MaestroError('unavailable', `wire: ${what}${cause === undefined ? ` (error ${koffi.errno()})` : ''}`, { cause });
  let fd: number;
  try {
    fd = openSync('/dev/net/tun', O_RDWR_NONBLOCK);
  } catch (error) {
    throw fail(`no TAP devices: ${(error as Error).message}`, error);
  }
  const request = Buffer.alloc(IFREQ_BYTES);
  request.write(name, 'latin1');
  const flags = IFF_TAP | IFF_NO_PI | (isWhole ? IFF_VNET_HDR : 0);
  if (endianness() === 'LE') request.writeUInt16LE(flags, IFREQ_FLAGS);
  else request.writeUInt16BE(flags, IFREQ_FLAGS);
  if (ioctlPointer(fd, TUNSETIFF, request) !== 0) throw fail(`no TAP device ${name}`);
  if (isWhole && ioctlNumber(fd, TUNSETOFFLOAD, OFFLOADS) !== 0) throw fail(`${name} does not support large frames`);
  return {
    fd,
    readInto(buffer) {
      const length = Number(read(fd, buffer, buffer.length));
      if (length >= 0) return length;
      if (koffi.errno() === os.errno.EAGAIN) return 0;
      throw fail(`${name} cannot be read`);
    },
    write: (frame) => void write(fd, frame, frame.length),
  };
}

/** Waits until one of the descriptors is readable or at its end, or the timeout has passed. Returns for each whether it is. */
export function waitForAny(fds: readonly number[], timeoutMs: number): boolean[] {
  const polled = Buffer.alloc(fds.length * POLLFD_BYTES);
  const view = new DataView(polled.buffer, polled.byteOffset, polled.length);
  const isLittle = endianness() === 'LE';
  for (const [i, fd] of fds.entries()) {
    view.setInt32(i * POLLFD_BYTES, fd, isLittle);
    view.setInt16(i * POLLFD_BYTES + 4, POLLIN, isLittle);
  }
  const isForever = timeoutMs === Number.POSITIVE_INFINITY;
  const timeout = BigInt64Array.of(
    BigInt(isForever ? 0 : Math.floor(timeoutMs / 1000)),
    BigInt(isForever ? 0 : Math.floor((timeoutMs % 1000) * 1e6)),
  );
  ppoll(polled, fds.length, isForever ? null : timeout, null);
  return fds.map((_, i) => view.getInt16(i * POLLFD_BYTES + 6, isLittle) !== 0);
}
