import { errorMessage, isMaestroError, MaestroError } from '@maestro/protocol';

/** What a person can do about a file system's refusal. */
const REMEDIES: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full: free space, or keep fewer checkpoints',
  EDQUOT: 'the disk quota is used up: free space, or keep fewer checkpoints',
  EROFS: 'the file system is read-only: choose another folder, or mount it writable',
  EACCES: "permission denied: check the folder's owner and mode",
  EPERM: "not permitted: check the folder's owner and mode",
  EMFILE: 'too many open files in this process: raise `ulimit -n`',
  ENOTDIR: 'a part of the path is a file, not a folder',
  EIO: "the device reports an input/output error: check the disk and the kernel's log",
};

/**
 * Whether a server that failed may do better later: it does not answer, is too busy, or sent less than it should. One that refuses for good
 * will not.
 */
export function isPassing(error: unknown): boolean {
  if (!isMaestroError(error, 'storage')) return false;
  const { status = 503 } = error.details as { readonly status?: number };
  return status >= 500 || status === 429;
}

/**
 * The error to throw for a failed file-system call: `storage` with what was being done, the system's code and what to do about it.
 * Any other error, a MaestroError or an abort among them, is returned as it is.
 *
 * @param doing what failed and where, in the form "writing checkpoint of step 12 in DIR"
 */
export function storageError(error: unknown, doing: string): unknown {
  const code = (error as { code?: unknown; syscall?: unknown } | null)?.code;
  if (typeof code !== 'string' || !/^E[A-Z0-9]+$/.test(code)) return error;
  return new MaestroError('storage', `${doing}: ${REMEDIES[code] ?? errorMessage(error)} (${code})`, { cause: error, details: { code } });
}
