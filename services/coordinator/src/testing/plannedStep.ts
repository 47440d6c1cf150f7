import { positionsOfRank, type Schedule, windowOfStep } from '@maestro/data';
import type { LedgerEntry } from '../books/ledger.ts';
import type { CommittedStep } from '../books/ledgerWriter.ts';
import { rankDigest } from '../run/step/plannedSamples.ts';

/**
 * Returns the report of step `step` (steps done) by workers that own equal runs of the virtual ranks and read all images but those of the
 * ranks in `broken`, each of which loses one.
 */
export function plannedStep(
  schedule: Schedule,
  {
    seed = 0,
    step,
    generation = 1,
    workers = ['a'],
    broken = [],
  }: {
    readonly seed?: number;
    readonly step: number;
    readonly generation?: number;
    readonly workers?: readonly string[];
    readonly broken?: readonly number[];
  },
): CommittedStep {
  const { virtualRanks } = schedule;
  const ranks = Array.from({ length: virtualRanks }, (_, virtualRank) => {
    const { count } = positionsOfRank(schedule, step - 1, virtualRank);
    return {
      worker: workers[Math.floor((virtualRank * workers.length) / virtualRanks)]!,
      images: Math.max(count - (broken.includes(virtualRank) ? 1 : 0), 0),
      digest: rankDigest({ schedule, seed, step: step - 1, virtualRank }),
    };
  });
  return { generation, step, ranks, content: step };
}

/** Returns the same step as an entry of a job's ledger. */
export function plannedEntry(schedule: Schedule, jobId: string, options: Parameters<typeof plannedStep>[1]): LedgerEntry {
  const { epoch, window } = windowOfStep(schedule, options.step - 1);
  const report = plannedStep(schedule, options);
  return { jobId, ...report, epoch, window, images: report.ranks.reduce((sum, { images }) => sum + images, 0) };
}
