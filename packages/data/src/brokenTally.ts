import { MaestroError } from '@maestro/protocol';
import type { SkippedSample } from './batchFiller.ts';
import type { PositionRange } from './schedule.ts';

/** The share of broken samples that a run bears. */
export const MAX_BROKEN_FRACTION = 0.01;
/** The share is taken of at least so many samples (or all, where there are fewer), so that an early one does not end a run. */
const LEAST_DENOMINATOR = 1000;
const NAMED_IN_ERROR = 5;

/** Counts distinct broken samples against distinct samples seen. */
export interface BrokenTally {
  /** How many distinct samples were broken. */
  readonly broken: number;
  /**
   * Takes note of a batch.
   *
   * @throws MaestroError `data-invalid` naming some broken samples, once they are more than 1 % of those seen (one is always borne).
   */
  record(positions: PositionRange, skipped: readonly SkippedSample[]): void;
}

/** A tally for a data set of `length` samples. */
export function createBrokenTally(length: number): BrokenTally {
  const broken = new Map<number, SkippedSample>();
  let epochSeen = -1;
  let seenInEpoch = 0;
  let mostSeen = 0;
  return {
    get broken() {
      return broken.size;
    },
    record: ({ epoch, count }, skipped) => {
      // Positions of one epoch are distinct samples; those of another epoch may be the same ones again.
      seenInEpoch = epoch === epochSeen ? seenInEpoch + count : count;
      epochSeen = epoch;
      mostSeen = Math.min(length, Math.max(mostSeen, seenInEpoch));
      for (const sample of skipped) broken.set(sample.index, sample);
      const denominator = Math.max(mostSeen, Math.min(length, LEAST_DENOMINATOR));
      if (broken.size <= Math.max(1, MAX_BROKEN_FRACTION * denominator)) return;
      const named = [...broken.values()].slice(0, NAMED_IN_ERROR).map(({ name, reason }) => `${name} (${reason})`);
      throw new MaestroError(
        'data-invalid',
        `data set: ${broken.size} of ${mostSeen} samples seen cannot be decoded, more than ${100 * MAX_BROKEN_FRACTION} %; remove or mend them: ${named.join(', ')}${broken.size > named.length ? ', ...' : ''}`,
        { details: { broken: [...broken.values()].map(({ name }) => name) } },
      );
    },
  };
}
