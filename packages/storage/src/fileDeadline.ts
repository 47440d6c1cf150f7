import { MaestroError } from '@maestro/protocol';

/** How long a file call is waited for. */
export interface FileDeadline {
  /** In milliseconds; 30 s by default. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** So long a file system may take for one call: a disk that has to start up takes some seconds. */
const FILE_TIMEOUT_MS = 30_000;
/** So long for reading the content of a file, which may be large, and which a job has nothing else to do than to wait for. */
export const READ_TIMEOUT_MS = 5 * 60_000;

let abandoned = 0;

/**
 * What `work` gives, or an error when a file system does not answer in time or the signal aborts: a mount whose server is gone holds a call
 * for ever, and no call can be taken back. The call goes on behind it, and holds one of the process's few threads for files.
 *
 * @param what names the place, such as "image folder /mnt/a".
 * @throws MaestroError `storage` after the deadline, `cancelled`; what `work` throws
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
      const why = `no answer for ${timeoutMs / 1000} s; does its mount hang? \`ls\` in it tells, and \`umount -l\` ends it`;
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

/** Whether file calls of this process were given up and have not come back: it then cannot end by itself, only be killed. */
export function hasAbandonedFileCalls(): boolean {
  return abandoned > 0;
}
