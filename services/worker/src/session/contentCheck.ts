import { contentText, type Dataset } from '@maestro/data';
import { errorMessage, MaestroError } from '@maestro/protocol';
import type { Logger } from '@maestro/telemetry';
import { pause } from '../process/signals.ts';
import type { ContentConflict, ContentTable } from './contentTable.ts';

/**
 * Compares this worker's readings of a job's samples with the first readings, by any worker. Runs in parallel with the steps; a step waits
 * for it only while Redis answers, the last step of the job in any case.
 */
export interface ContentCheck {
  /** Adds readings: pairs of a sample and its content hash. */
  note(readings: Float64Array): void;
  /**
   * Waits until all added readings are compared. When Redis is unreachable, only if `isLast`; `onWaiting` is then called with the reason.
   * @throws MaestroError `data-invalid` when a sample was read with other bytes than before; the signal's reason.
   */
  settle(options: { readonly isLast: boolean; readonly onWaiting: (reason: string) => void; readonly signal: AbortSignal }): Promise<void>;
  /** Stops at once. */
  close(): Promise<void>;
}

/** Options of {@link openContentCheck}. */
export interface ContentCheckOptions {
  /** Undefined when readings need no comparison. */
  readonly table: ContentTable | undefined;
  readonly dataset: Pick<Dataset, 'name'>;
  /** Name of this worker. */
  readonly reader: string;
  readonly logger: Logger;
  /** Time that a step waits for Redis before it counts as unreachable. Default 250. */
  readonly patienceMs?: number;
}

const RETRY_MS = 250;
/**
 * Limits the readings that wait while Redis is unreachable, 16 bytes each; the oldest are dropped, and compared the next time they are
 * read.
 */
const MOST_WAITING = 2 ** 20;

/** Opens a content check. */
export function openContentCheck({ table, dataset, reader, logger, patienceMs = 250 }: ContentCheckOptions): ContentCheck {
  if (table === undefined) return { note: () => undefined, settle: async () => undefined, close: async () => undefined };
  const closing = new AbortController();
  let waiting: Float64Array[] = [];
  let waitingReadings = 0;
  let work: Promise<void> | undefined;
  let failure: MaestroError | undefined;
  /** Reason why the comparison is delayed. */
  let obstacle = '';

  const take = (): Float64Array => {
    const all = new Float64Array(2 * waitingReadings);
    let at = 0;
    for (const part of waiting) {
      all.set(part, at);
      at += part.length;
    }
    waiting = [];
    waitingReadings = 0;
    return all;
  };

  const compareAll = async (): Promise<void> => {
    let readings = take();
    while (readings.length > 0 && failure === undefined && !closing.signal.aborted) {
      try {
        const conflicts = await table.compare(readings);
        obstacle = '';
        if (conflicts.length > 0) failure = otherBytes(conflicts, { dataset, reader });
        readings = take();
      } catch (error) {
        obstacle = errorMessage(error);
        await pause(RETRY_MS, closing.signal);
      }
    }
  };

  return {
    note(readings) {
      if (readings.length === 0) return;
      waiting.push(readings);
      waitingReadings += readings.length / 2;
      while (waitingReadings > MOST_WAITING) {
        const lost = waiting.shift()!.length / 2;
        waitingReadings -= lost;
        logger.warn({ readings: lost }, 'readings were not compared with earlier ones: Redis is away');
      }
      work ??= compareAll().finally(() => {
        work = undefined;
      });
    },
    async settle({ isLast, onWaiting, signal }) {
      let isTold = false;
      while (work !== undefined && failure === undefined && (isLast || obstacle === '')) {
        signal.throwIfAborted();
        const paused = new AbortController();
        await Promise.race([work, pause(patienceMs, AbortSignal.any([signal, paused.signal]))]);
        paused.abort();
        if (work !== undefined && obstacle === '') obstacle = 'Redis does not answer';
        if (work !== undefined && isLast) {
          isTold = true;
          onWaiting(obstacle);
        }
      }
      if (isTold) onWaiting('');
      if (failure !== undefined) throw failure;
    },
    close: async () => closing.abort(),
  };
}

/** Error for samples that have other bytes than before. */
function otherBytes(
  conflicts: readonly ContentConflict[],
  { dataset, reader }: Pick<ContentCheckOptions, 'dataset' | 'reader'>,
): MaestroError {
  const [{ sample, found, first, firstReader }] = conflicts as readonly [ContentConflict];
  const others = conflicts.length === 1 ? '' : `, and so with ${conflicts.length - 1} more`;
  const before =
    firstReader === reader || firstReader === '' ? `${contentText(first)} was read before` : `${firstReader} had ${contentText(first)}`;
  return new MaestroError(
    'data-invalid',
    `data set: ${dataset.name(sample)} has content hash ${contentText(found)} on ${reader}, ${before}${others}: the workers' copies ` +
      'differ or the data was changed; make them the same and submit the job again',
    { details: { samples: conflicts.map((each) => dataset.name(each.sample)).slice(0, 20) } },
  );
}
