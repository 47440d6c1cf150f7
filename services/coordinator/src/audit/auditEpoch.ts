import { addDigests, type Schedule, type StepWindow, stepsOfEpoch, windowOfStep } from '@maestro/data';
import type { AuditEpoch } from '@maestro/protocol';
import { type EpochRow, type Segment, type ShardRow, UNKNOWN_WORKER, type WorkerTotal } from '../books/ledger.ts';
import { type EpochSteps, positionsOfSteps, rankSamples, rankStepsDigest, stepsDigest } from '../run/step/plannedSamples.ts';

/** Findings from one epoch's rows or fold. */
export interface EpochFindings extends AuditEpoch {
  readonly unknownSteps: number;
  readonly workers: ReadonlyMap<string, WorkerTotal>;
  readonly problems: readonly string[];
}

type Tally = { -readonly [Key in keyof AuditEpoch]: AuditEpoch[Key] };

/** The committed steps of a job in an epoch. */
export interface EpochBounds extends EpochSteps {
  /** End of the epoch in the job's schedule. */
  readonly endStep: number;
}

/**
 * Folds a finished epoch into one row, if its shards are complete and their digests add up to the epoch's; otherwise returns the problems.
 */
export function foldEpoch({
  schedule,
  seed,
  shards,
  epoch,
  firstStep,
}: {
  readonly schedule: Schedule;
  readonly seed: number;
  readonly shards: readonly ShardRow[];
  readonly epoch: number;
  /** The job's first step. */
  readonly firstStep: number;
}): EpochRow | { readonly problems: readonly string[] } {
  const { firstStep: first, endStep: end } = stepsOfEpoch(schedule, epoch);
  const bounds = { epoch, from: Math.max(first, firstStep), to: end, endStep: end };
  // Checks the epoch's digest as a whole: digests of the segments would need the permutation of all its samples.
  const found = auditShards({ schedule, seed, shards, bounds, areSegmentsChecked: false });
  const digest = [...found.workers.values()].reduce((total, worker) => addDigests(total, worker.digest), 0);
  const problems = [...found.problems];
  if (digest !== stepsDigest(schedule, seed, bounds)) problems.push(`epoch ${epoch}: digest ${digest} is not that of its samples`);
  if (problems.length > 0) return { problems };
  const { images, skipped, unknownSteps, workers } = found;
  return {
    epoch,
    firstStep: bounds.from,
    steps: end - bounds.from,
    images,
    skipped,
    unknownSteps,
    digest,
    workers: Object.fromEntries(workers),
  };
}

/** Audits a folded epoch against its samples as a whole. */
export function auditFold({
  schedule,
  seed,
  fold,
  bounds,
}: {
  readonly schedule: Schedule;
  readonly seed: number;
  readonly fold: EpochRow;
  readonly bounds: EpochBounds;
}): EpochFindings {
  const { epoch, from, to, endStep } = bounds;
  const problems: string[] = [];
  const expected = positionsOfSteps(schedule, bounds).count;
  const tally: Tally = { ...emptyTally(bounds, expected), images: fold.images, skipped: fold.skipped, isFolded: true };
  if (to !== endStep) problems.push(`epoch ${epoch}: was folded at step ${to}, before its end at ${endStep}`);
  if (fold.firstStep !== from || fold.steps !== to - from) {
    problems.push(`epoch ${epoch}: folded steps ${span(fold.firstStep, fold.firstStep + fold.steps)}, expected ${span(from, to)}`);
  }
  const counted = fold.images + fold.skipped;
  if (counted !== expected) {
    problems.push(`epoch ${epoch}: ${counted} samples are folded, expected ${expected}`);
    tally.missing = Math.max(expected - counted, 0);
    tally.duplicates = Math.max(counted - expected, 0);
  }
  const workers = new Map(Object.entries(fold.workers));
  const images = [...workers.values()].reduce((total, worker) => total + worker.images, 0);
  const digest = [...workers.values()].reduce((total, worker) => addDigests(total, worker.digest), 0);
  if (images !== fold.images || digest !== fold.digest) problems.push(`epoch ${epoch}: its workers do not add up to it`);
  if (fold.digest !== stepsDigest(schedule, seed, bounds)) {
    tally.mismatches = 1;
    problems.push(`epoch ${epoch}: digest ${fold.digest} is not that of its samples`);
  }
  return { ...tally, unknownSteps: fold.unknownSteps, workers, problems };
}

/** Audits an epoch's shards against the steps and samples of each. */
export function auditShards({
  schedule,
  seed,
  shards,
  bounds,
  areSegmentsChecked = true,
}: {
  readonly schedule: Schedule;
  readonly seed: number;
  readonly shards: readonly ShardRow[];
  readonly bounds: EpochBounds;
  readonly areSegmentsChecked?: boolean;
}): EpochFindings {
  const { from, to } = bounds;
  const tally: Tally = emptyTally(bounds, positionsOfSteps(schedule, bounds).count);
  const problems: string[] = [];
  const workers = new Map<string, WorkerTotal>();
  let unknownSteps = 0;
  const left = new Map(shards.map((shard) => [`${shard.window}:${shard.virtualRank}`, shard]));

  for (let step = from; step < to; ) {
    const window = windowOfStep(schedule, step);
    const end = Math.min(window.firstStep + window.steps, to);
    for (let virtualRank = 0; virtualRank < schedule.virtualRanks; virtualRank++) {
      const key = `${window.window}:${virtualRank}`;
      const segments = left.get(key)?.segments ?? [];
      left.delete(key);
      const found = auditShard({ schedule, seed, segments, window, virtualRank, from: step, to: end, areSegmentsChecked });
      tally.images += found.images;
      tally.skipped += found.skipped;
      tally.missing += found.missing;
      tally.duplicates += found.duplicates;
      tally.mismatches += found.mismatches;
      problems.push(...found.problems);
      for (const { worker, images, digest, first, last } of segments) {
        addTo(workers, worker, images, digest);
        if (worker === UNKNOWN_WORKER && virtualRank === 0) unknownSteps += last - first + 1;
      }
    }
    step = end;
  }
  for (const { epoch, window, virtualRank } of left.values()) {
    problems.push(`epoch ${epoch}, window ${window}, virtual rank ${virtualRank}: a row that no committed step accounts for`);
  }
  return { ...tally, unknownSteps, workers, problems };
}

/** Audits one shard's segments against the steps from .. to - 1 that they must cover, each once, in order. */
function auditShard({
  schedule,
  seed,
  segments,
  window: { epoch, window },
  virtualRank,
  from,
  to,
  areSegmentsChecked,
}: {
  readonly schedule: Schedule;
  readonly seed: number;
  readonly segments: readonly Segment[];
  readonly window: StepWindow;
  readonly virtualRank: number;
  readonly from: number;
  readonly to: number;
  readonly areSegmentsChecked: boolean;
}) {
  const found = { images: 0, skipped: 0, missing: 0, duplicates: 0, mismatches: 0, problems: [] as string[] };
  const where = `epoch ${epoch}, window ${window}, virtual rank ${virtualRank}`;
  const planned = (first: number, end: number): number => rankSamples(schedule, virtualRank, first, end);
  const miss = (first: number, end: number): void => {
    found.missing += planned(first, end);
    found.problems.push(`${where}: steps ${span(first, end)} are missing`);
  };
  let next = from;
  let generation = 0;
  for (const segment of segments) {
    const { first, last, worker, images, digest } = segment;
    const steps = span(first, last + 1);
    if (first < from || last >= to || last < first) {
      found.problems.push(`${where}: steps ${steps} by ${worker} lie outside ${span(from, to)}`);
      continue;
    }
    if (first > next) miss(next, first);
    if (first < next) {
      const end = Math.min(next, last + 1);
      found.duplicates += planned(first, end);
      found.problems.push(`${where}: steps ${span(first, end)} are there twice, again by ${worker}`);
    }
    if (segment.generation < generation)
      found.problems.push(`${where}: steps ${steps} are of generation ${segment.generation} after ${generation}`);
    const samples = planned(first, last + 1);
    found.images += images;
    found.skipped += Math.max(samples - images, 0);
    if (images > samples) found.problems.push(`${where}: steps ${steps} by ${worker} count ${images} images of ${samples} samples`);
    if (areSegmentsChecked && digest !== rankStepsDigest({ schedule, seed, first, last, virtualRank })) {
      found.mismatches++;
      found.problems.push(`${where}: steps ${steps} by ${worker} took other samples than planned (digest ${digest})`);
    }
    generation = segment.generation;
    next = Math.max(next, last + 1);
  }
  if (next < to) miss(next, to);
  return found;
}

/** Adds to the total of a worker. */
export function addTo(workers: Map<string, WorkerTotal>, id: string, images: number, digest: number): void {
  const total = workers.get(id) ?? { images: 0, digest: 0 };
  workers.set(id, { images: total.images + images, digest: addDigests(total.digest, digest) });
}

function emptyTally({ epoch, from, to, endStep }: EpochBounds, expected: number): Tally {
  const counts = { expected, images: 0, skipped: 0, missing: 0, duplicates: 0, mismatches: 0 };
  return { epoch, firstStep: from, steps: to - from, isComplete: to === endStep, isFolded: false, ...counts };
}

const span = (first: number, end: number): string => (end - first === 1 ? `${first}` : `${first}..${end - 1}`);
