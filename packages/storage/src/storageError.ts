import { errorMessage, isMaestroError, MaestroError } from '@maestro/protocol';

/** Advice for a file system's refusal. */
const REMEDIES: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full: free space, or keep fewer checkpoints',
  EDQUOT: 'the disk quota is exhausted: free space, or keep fewer checkpoints',
  EROFS: 'the file system is read-only: choose another folder, or mount it writable',
  EACCES: "permission denied: check the folder's owner and mode",
  EPERM: "not permitted: check the folder's owner and mode",
  EMFILE: 'too many open files in this process: raise `ulimit -n`',
  ENOTDIR: 'a part of the path is a file, not a folder',
  EIO: "the device reports an input/output error: check the disk and the kernel's log",
};

/** Returns true for a transient failure of a server: no answer, overload, or a truncated answer. A permanent refusal is not transient. */
export function isPassing(error: unknown): boolean {
  if (!isMaestroError(error, 'storage')) return false;
  const { status = 503 } = error.details as { readonly status?: number };
  return status >= 500 || status === 429;
}

/**
 * Converts the error of a file-system call to `storage` with the failed operation, the system's code and advice. Any other error, including
 * a MaestroError or an abort, is returned unchanged.
 *
 * @param doing the operation and place, in the form "writing checkpoint of step 12 in DIR"
 */
export function storageError(error: unknown, doing: string): unknown {
  const code = (error as { code?: unknown; syscall?: unknown } | null)?.code;
  if (typeof code !== 'string' || !/^E[A-Z0-9]+$/.test(code)) return error;
  return new MaestroError('storage', `${doing}: ${REMEDIES[code] ?? errorMessage(error)} (${code})`, { cause: error, details: { code } });
}
