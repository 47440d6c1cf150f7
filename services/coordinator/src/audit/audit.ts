import { contentText, type Schedule, stepsOfEpoch } from '@maestro/data';
import type { AuditReport } from '@maestro/protocol';
import type { Ledger, WorkerTotal } from '../books/ledger.ts';
import { positionsOfSteps } from '../run/step/plannedSamples.ts';
import { addTo, auditFold, auditShards, type EpochFindings } from './auditEpoch.ts';

/** Limits the problems that are spelled out; all are counted. */
const TOLD_PROBLEMS = 100;

/** Input of an audit. */
export interface AuditInput {
  readonly schedule: Schedule;
  readonly seed: number;
  readonly ledger: Ledger;
  /** Steps that the job has done, according to other records. */
  readonly dueStep: number;
}

/**
 * Audits a ledger against the job's progress and permutations: every step must be present, and every sample of it taken once, by one
 * worker, and no other. Counts are in samples, one per virtual rank and position. A pure function; takes microseconds per sample of an
 * epoch that is not folded yet.
 */
export function auditLedger({ schedule, seed, ledger, dueStep }: AuditInput): AuditReport {
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

  const isSound = problems.length === 0;
  const lacking = samplesOfSteps(schedule, Math.max(firstStep, endStep), Math.min(dueStep, schedule.totalSteps));
  if (ledger.step < dueStep) problems.unshift(lackingText(schedule, ledger.step, dueStep));

  const sum = (pick: (epoch: EpochFindings) => number): number => epochs.reduce((total, epoch) => total + pick(epoch), 0);
  const images = sum((epoch) => epoch.images);
  return {
    verdict: isSound ? (problems.length === 0 ? 'clean' : 'incomplete') : 'unclean',
    isClean: problems.length === 0,
    firstStep,
    step: ledger.step,
    dueStep,
    totalSteps: schedule.totalSteps,
    generation: ledger.generation,
    samples: schedule.samples,
    expected: sum((epoch) => epoch.expected) + lacking,
    images,
    skipped: sum((epoch) => epoch.skipped),
    missing: sum((epoch) => epoch.missing) + lacking,
    duplicates: sum((epoch) => epoch.duplicates),
    mismatches: sum((epoch) => epoch.mismatches),
    unknownSteps: sum((epoch) => epoch.unknownSteps),
    redoneSteps: ledger.redone,
    dataDigest: dataDigestOf(
      ledger,
      sum((epoch) => epoch.unknownSteps),
    ),
    epochs: epochs.map(({ unknownSteps: _unknown, workers: _workers, problems: _problems, ...epoch }) => epoch),
    workers: [...workers].map(([id, total]) => ({ id, images: total.images, share: images === 0 ? 0 : total.images / images })),
    problems: problems.slice(0, TOLD_PROBLEMS),
    problemCount: problems.length,
  };
}

/** Returns the number of samples of the steps from `from` to `to` - 1. */
function samplesOfSteps(schedule: Schedule, from: number, to: number): number {
  let count = 0;
  for (let step = from; step < to; ) {
    const epoch = Math.floor(step / schedule.stepsPerEpoch);
    const end = Math.min(stepsOfEpoch(schedule, epoch).endStep, to);
    count += positionsOfSteps(schedule, { epoch, from: step, to: end }).count;
    step = end;
  }
  return count;
}

function lackingText({ stepsPerEpoch }: Schedule, step: number, dueStep: number): string {
  const [first, last] = [step, dueStep - 1].map((index) => Math.floor(index / stepsPerEpoch));
  const epochs = first === last ? `epoch ${first}` : `epochs ${first} to ${last}`;
  return `incomplete: the ledger has ${step} steps, the job has done ${dueStep}; steps ${step} to ${dueStep - 1} (${epochs}) are not in it`;
}

/** Returns the digest of the bytes read in all committed steps, in hexadecimal; empty when it is not known for every step. */
function dataDigestOf({ content }: Ledger, unknownSteps: number): string {
  return content === undefined || unknownSteps > 0 ? '' : contentText(content);
}

/** Compares the totals updated at each commit with the sums of the rows. */
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

function groupBy<Value>(values: readonly Value[], keyOf: (value: Value) => number): Map<number, Value[]> {
  const groups = new Map<number, Value[]>();
  for (const value of values) groups.set(keyOf(value), [...(groups.get(keyOf(value)) ?? []), value]);
  return groups;
}
