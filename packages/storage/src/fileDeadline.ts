import { MaestroError } from '@maestro/protocol';

/** Deadline of a file call. */
export interface FileDeadline {
  /** In milliseconds; 30 s by default. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Default deadline of one file-system call: a disk that has to spin up takes some seconds. */
const FILE_TIMEOUT_MS = 30_000;
/** Deadline for reading the content of a file, which may be large; a job has nothing else to do meanwhile. */
export const READ_TIMEOUT_MS = 5 * 60_000;

let abandoned = 0;

/**
 * Resolves as `work` does, or rejects when a file system does not answer in time or the signal aborts: a mount whose server is gone blocks
 * a call forever, and no call can be cancelled. The call continues in the background, and occupies one of the process's few file threads.
 *
 * @param what names the place, such as "image folder /mnt/a".
 * @throws MaestroError `storage` after the deadline, `cancelled`; whatever `work` throws
 */
export async function inFileTime<T>(
  work: Promise<T>,
  what: string,
  { timeoutMs = FILE_TIMEOUT_MS, signal }: FileDeadline = {},
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  let cancel: (() => void) | undefined;
  let isSettled = false;
  const ended = work.then(
    () => {
      isSettled = true;
    },
    () => {
      isSettled = true;
    },
  );
  const given = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const why = `no answer for ${timeoutMs / 1000} s; the mount may be hanging: check with \`ls\`, detach it with \`umount -l\``;
      reject(new MaestroError('storage', `${what}: ${why}`));
    }, timeoutMs);
    cancel = () => reject(new MaestroError('cancelled', `${what}: waiting for the file system was cancelled`));
    if (signal?.aborted) cancel();
    else signal?.addEventListener('abort', cancel, { once: true });
  });
  try {
    return await Promise.race([work, given]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', cancel!);
    if (!isSettled) {
      abandoned++;
      void ended.then(() => abandoned--);
    }
  }
}

/**
 * Returns true when file calls of this process were abandoned and are still blocked: the process then cannot exit by itself, only be
 * killed.
 */
export function hasAbandonedFileCalls(): boolean {
  return abandoned > 0;
}
