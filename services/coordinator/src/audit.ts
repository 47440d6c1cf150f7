import {
  addDigests,
  positionsDigest,
  positionsOfRank,
  positionsOfStep,
  type Schedule,
  type StepWindow,
  stepsOfEpoch,
  windowOfStep,
} from '@maestro/data';
import type { AuditEpoch, AuditReport } from '@maestro/protocol';
import { type EpochRow, type Ledger, type Segment, type ShardRow, UNKNOWN_WORKER, type WorkerTotal } from './ledger.ts';

/** So many problems are told in words; all are counted. */
const TOLD_PROBLEMS = 100;

/** What an audit compares. */
export interface AuditInput {
  readonly schedule: Schedule;
  readonly seed: number;
  readonly ledger: Ledger;
}

/** What was found in one epoch's rows or fold. */
interface EpochFindings extends AuditEpoch {
  readonly unknownSteps: number;
  readonly workers: ReadonlyMap<string, WorkerTotal>;
  readonly problems: readonly string[];
}

type Tally = { -readonly [Key in keyof AuditEpoch]: AuditEpoch[Key] };

/**
 * Compares a ledger with what the job's permutations demand: every sample of every committed step taken once, by one worker, and none
 * beside. Counts are in samples, one per virtual rank and position. A pure function; it takes microseconds for each sample of an epoch that is not folded yet.
 */
export function auditLedger({ schedule, seed, ledger }: AuditInput): AuditReport {
  const { firstStep } = ledger;
  const problems: string[] = ledger.unreadable.map((row) => `unreadable: ${row}`);
  const endStep = Math.min(ledger.step, schedule.totalSteps);
  if (ledger.step > schedule.totalSteps) problems.push(`the ledger has ${ledger.step} steps, the job only ${schedule.totalSteps}`);
  if (ledger.step < firstStep) problems.push(`the ledger has ${ledger.step} steps, fewer than the ${firstStep} it began with`);

  const rows = groupBy(ledger.shards, ({ epoch }) => epoch);
  const folds = groupBy(ledger.epochs, ({ epoch }) => epoch);
  const epochs: EpochFindings[] = [];
  const [firstEpoch, endEpoch] = [firstStep, endStep + schedule.stepsPerEpoch - 1].map((step) => Math.floor(step / schedule.stepsPerEpoch));
  for (let epoch = firstEpoch!; firstStep < endStep && epoch < endEpoch!; epoch++) {
    const { firstStep: first, endStep: end } = stepsOfEpoch(schedule, epoch);
    const bounds = { epoch, from: Math.max(first, firstStep), to: Math.min(end, endStep), endStep: end };
    const [fold, ...more] = folds.get(epoch) ?? [];
    const shards = rows.get(epoch) ?? [];
    if (more.length > 0 || (fold !== undefined && shards.length > 0)) problems.push(`epoch ${epoch}: has its folded row and shards beside`);
    epochs.push(fold === undefined ? auditShards({ schedule, seed, shards, bounds }) : auditFold({ schedule, seed, fold, bounds }));
    rows.delete(epoch);
    folds.delete(epoch);
  }
  for (const epoch of new Set([...rows.keys(), ...folds.keys()]))
    problems.push(`epoch ${epoch}: has rows, but none of its steps is committed`);

  const workers = new Map<string, WorkerTotal>();
  for (const epoch of epochs) {
    problems.push(...epoch.problems);
    for (const [id, { images, digest }] of epoch.workers) addTo(workers, id, images, digest);
  }
  problems.push(...compareTotals(workers, ledger));

  const sum = (pick: (epoch: EpochFindings) => number): number => epochs.reduce((total, epoch) => total + pick(epoch), 0);
  const images = sum((epoch) => epoch.images);
  return {
    isClean: problems.length === 0,
    firstStep,
    step: ledger.step,
    totalSteps: schedule.totalSteps,
    generation: ledger.generation,
    samples: schedule.samples,
    expected: sum((epoch) => epoch.expected),
    images,
    skipped: sum((epoch) => epoch.skipped),
    missing: sum((epoch) => epoch.missing),
    duplicates: sum((epoch) => epoch.duplicates),
    mismatches: sum((epoch) => epoch.mismatches),
    unknownSteps: sum((epoch) => epoch.unknownSteps),
    redoneSteps: ledger.redone,
    epochs: epochs.map(({ unknownSteps: _unknown, workers: _workers, problems: _problems, ...epoch }) => epoch),
    workers: [...workers].map(([id, total]) => ({ id, images: total.images, share: images === 0 ? 0 : total.images / images })),
    problems: problems.slice(0, TOLD_PROBLEMS),
    problemCount: problems.length,
  };
}

interface EpochBounds {
  readonly epoch: number;
  /** The committed steps of this job in the epoch: from .. to - 1. */
  readonly from: number;
  readonly to: number;
  /** Where the epoch ends in the job's schedule. */
  readonly endStep: number;
}

/** One row of a finished epoch, if its shards are complete and their digests make that of the epoch; else why they do not. */
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
  // The epoch's digest as a whole: that of each segment would need the permutation of all its samples.
  const found = auditShards({ schedule, seed, shards, bounds, areSegmentsChecked: false });
  const digest = [...found.workers.values()].reduce((total, worker) => addDigests(total, worker.digest), 0);
  const problems = [...found.problems];
  if (digest !== expectedDigest(schedule, seed, bounds)) problems.push(`epoch ${epoch}: digest ${digest} is not that of its samples`);
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

function auditFold({
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
  const expected = samplesOf(schedule, bounds);
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
  if (fold.digest !== expectedDigest(schedule, seed, bounds)) {
    tally.mismatches = 1;
    problems.push(`epoch ${epoch}: digest ${fold.digest} is not that of its samples`);
  }
  return { ...tally, unknownSteps: fold.unknownSteps, workers, problems };
}

function auditShards({
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
  const tally: Tally = emptyTally(bounds, samplesOf(schedule, bounds));
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

/** One shard's segments against the steps from .. to - 1 that they must cover, each once, in order. */
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
  const planned = (first: number, end: number): number => {
    let samples = 0;
    for (let step = first; step < end; step++) samples += positionsOfRank(schedule, step, virtualRank).count;
    return samples;
  };
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
    if (areSegmentsChecked && digest !== segmentDigest(schedule, seed, segment, virtualRank)) {
      found.mismatches++;
      found.problems.push(`${where}: steps ${steps} by ${worker} took other samples than planned (digest ${digest})`);
    }
    generation = segment.generation;
    next = Math.max(next, last + 1);
  }
  if (next < to) miss(next, to);
  return found;
}

/** Digest of all samples that a virtual rank takes in a segment's steps. */
function segmentDigest(schedule: Schedule, seed: number, { first, last }: Segment, virtualRank: number): number {
  let digest = 0;
  for (let step = first; step <= last; step++) digest = addDigests(digest, rankDigest({ schedule, seed, step, virtualRank }));
  return digest;
}

/** Digest of the samples that a virtual rank takes in a step (an index). */
export function rankDigest({
  schedule,
  seed,
  step,
  virtualRank,
}: {
  readonly schedule: Schedule;
  readonly seed: number;
  readonly step: number;
  readonly virtualRank: number;
}): number {
  return positionsDigest(positionsOfRank(schedule, step, virtualRank), { seed, samples: schedule.samples });
}

/** The positions of consecutive steps of an epoch lie side by side. */
function positionsBetween(schedule: Schedule, { epoch, from, to }: EpochBounds) {
  const { first } = positionsOfStep(schedule, from);
  const last = positionsOfStep(schedule, to - 1);
  return { epoch, first, count: last.first + last.count - first };
}

const samplesOf = (schedule: Schedule, bounds: EpochBounds): number => positionsBetween(schedule, bounds).count;

const expectedDigest = (schedule: Schedule, seed: number, bounds: EpochBounds): number =>
  positionsDigest(positionsBetween(schedule, bounds), { seed, samples: schedule.samples });

/** The sums that were kept at each commit are those of the rows. */
function compareTotals(found: ReadonlyMap<string, WorkerTotal>, { workers, images }: Ledger): string[] {
  const problems: string[] = [];
  for (const id of new Set([...found.keys(), ...Object.keys(workers)])) {
    const [rows, total] = [found.get(id), workers[id]];
    if (rows?.images !== total?.images || rows?.digest !== total?.digest) {
      problems.push(
        `worker ${id}: its rows have ${rows?.images ?? 0} images, its commits had ${total?.images ?? 0}, or their samples differ`,
      );
    }
  }
  const sum = [...found.values()].reduce((total, worker) => total + worker.images, 0);
  if (sum !== images) problems.push(`the rows have ${sum} images, the commits had ${images}`);
  return problems;
}

function addTo(workers: Map<string, WorkerTotal>, id: string, images: number, digest: number): void {
  const total = workers.get(id) ?? { images: 0, digest: 0 };
  workers.set(id, { images: total.images + images, digest: addDigests(total.digest, digest) });
}

function emptyTally({ epoch, from, to, endStep }: EpochBounds, expected: number): Tally {
  const counts = { expected, images: 0, skipped: 0, missing: 0, duplicates: 0, mismatches: 0 };
  return { epoch, firstStep: from, steps: to - from, isComplete: to === endStep, isFolded: false, ...counts };
}

function groupBy<Value>(values: readonly Value[], keyOf: (value: Value) => number): Map<number, Value[]> {
  const groups = new Map<number, Value[]>();
  for (const value of values) groups.set(keyOf(value), [...(groups.get(keyOf(value)) ?? []), value]);
  return groups;
}

const span = (first: number, end: number): string => (end - first === 1 ? `${first}` : `${first}..${end - 1}`);
