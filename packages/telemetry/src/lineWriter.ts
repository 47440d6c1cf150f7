import { mkdirSync, openSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

/** Destination of a logger's lines. */
export interface LineWriter {
  /** Writes a line with its newline. */
  write(line: string): void;
}

/** Reported once lines can be written again. */
export interface LogGap {
  /** Number of lost lines. */
  readonly dropped: number;
  readonly reason: string;
  readonly since: string;
}

/** Limits the bytes that wait for a failing destination; further lines are dropped and counted. */
const MOST_WAITING = 256 * 1024;
/** Time for which a full pipe is waited for, once, in milliseconds. */
const PIPE_PATIENCE_MS = 1000;
const PIPE_PAUSE_MS = 5;

/**
 * Writes lines to a file descriptor or a file, which is created with its folders; `makeLine` formats a gap as a line of the logger.
 *
 * Synchronous: a line costs some 5 us and none is lost when the process is killed. Never throws: a problem with the log (a full disk, a
 * reader that has left, a closed terminal) is no reason to end the process. Lines that cannot be written wait, up to a limit, and each new
 * line tries again; on success one line reports since when it failed, why, and how many lines were dropped.
 */
export function openLineWriter(destination: number | string, makeLine: (gap: LogGap) => string): LineWriter {
  let fd = typeof destination === 'number' ? destination : undefined;
  let waiting: Buffer[] = [];
  let waitingBytes = 0;
  let gap: { readonly reason: string; readonly since: string; dropped: number } | undefined;

  const open = (path: string): number => {
    mkdirSync(dirname(path), { recursive: true });
    return openSync(path, 'a');
  };

  /** Writes what it can, and returns the rest. */
  const put = (bytes: Buffer): Buffer => {
    let left = bytes;
    let patienceMs = gap === undefined ? PIPE_PATIENCE_MS : 0;
    try {
      fd ??= open(destination as string);
      while (left.length > 0) {
        try {
          left = left.subarray(writeSync(fd, left));
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'EAGAIN' || patienceMs <= 0) throw error;
          patienceMs -= PIPE_PAUSE_MS;
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PIPE_PAUSE_MS);
        }
      }
    } catch (error) {
      gap ??= { reason: (error as Error).message, since: new Date().toISOString(), dropped: 0 };
    }
    return left;
  };

  const drain = (): void => {
    while (waiting.length > 0) {
      const left = put(waiting[0]!);
      waitingBytes -= waiting[0]!.length - left.length;
      if (left.length > 0) {
        waiting[0] = left;
        return;
      }
      waiting.shift();
    }
  };

  return {
    write(line) {
      const bytes = Buffer.from(line);
      if (waitingBytes > 0 && waitingBytes + bytes.length > MOST_WAITING) {
        drain();
        if (waitingBytes + bytes.length > MOST_WAITING) {
          gap!.dropped++;
          return;
        }
      }
      waiting.push(bytes);
      waitingBytes += bytes.length;
      drain();
      if (gap === undefined || waitingBytes > 0) return;
      const over = gap;
      gap = undefined;
      waiting = [Buffer.from(makeLine(over))];
      waitingBytes = waiting[0]!.length;
      drain();
    },
  };
}
