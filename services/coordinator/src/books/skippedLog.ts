import type { ImagesSkipped } from '@maestro/protocol';
import type { Logger } from '@maestro/telemetry';

/** Limits the remembered names of broken images. */
const MOST_KNOWN = 1000;

/** Logs which images of a job could not be read. */
export interface SkippedLog {
  /** Number of remembered names. */
  readonly known: number;
  /** Warns at the first time only: a broken image comes again in every epoch. */
  note(worker: string, skipped: Pick<ImagesSkipped, 'step' | 'images'>): void;
  /** Forgets the names when the job has ended; later ones are logged at debug level. */
  end(): void;
}

/** Creates the log of a job's broken images. */
export function createSkippedLog(job: string, log: Pick<Logger, 'warn' | 'debug'>): SkippedLog {
  const known = new Set<string>();
  let isOver = false;
  return {
    get known() {
      return known.size;
    },
    note(worker, { step, images }) {
      for (const { name, reason } of images) {
        const level = isOver || known.has(name) ? 'debug' : 'warn';
        log[level]({ job, worker, step, image: name, reason }, 'image skipped');
        if (!isOver && known.size < MOST_KNOWN) known.add(name);
      }
    },
    end() {
      isOver = true;
      known.clear();
    },
  };
}
