import type { ImagesSkipped } from '@maestro/protocol';
import type { Logger } from '@maestro/telemetry';

/** Broken images whose names are remembered. */
const MOST_KNOWN = 1000;

/** Tells the log which images of a job could not be read. */
export interface SkippedLog {
  /** Names that are remembered. */
  readonly known: number;
  /** Loud at the first time: a broken image comes again in every epoch. */
  note(worker: string, skipped: Pick<ImagesSkipped, 'step' | 'images'>): void;
  /** The job has ended: the names are dropped, and what still comes is told quietly. */
  end(): void;
}

/** The log of a job's broken images. */
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
