import { jobSchedule, mostBroken, positionsOfStep, type Schedule, stepsOfEpoch, tooManyBroken } from '@maestro/data';
import type { SkippedImage, StepCommitted } from '@maestro/protocol';
import type { ShardRow } from '../../books/ledger.ts';
import type { Store } from '../../books/store.ts';
import type { JobRun } from '../state/runState.ts';
import { stop } from '../stopRun.ts';
import { type Turn, update } from '../view/turn.ts';
import type { BrokenImages, LedgerProgress } from './brokenRecord.ts';
import { rankSamples } from './plannedSamples.ts';

/** Limits the names of broken images that a run remembers. */
const MOST_NAMED = 5;

const NONE: BrokenImages = { epoch: 0, count: 0, named: [] };

/** Records names of images that a member could not read. Their number is taken from the committed steps; this only adds names. */
export function nameBroken(turn: Turn, images: readonly SkippedImage[]): void {
  const { brokenImages = NONE } = turn.run;
  const isNew = (image: SkippedImage): boolean => !brokenImages.named.some(({ name }) => name === image.name);
  if (brokenImages.named.length >= MOST_NAMED || !images.some(isNew)) return;
  update(turn, { brokenImages: { ...brokenImages, named: [...brokenImages.named, ...images.filter(isNew)].slice(0, MOST_NAMED) } });
}

/**
 * Counts the broken samples of a committed step, and fails the job once one epoch has more than tolerated. The count depends only on the
 * job's steps, so that the job fails at the same step whoever works for it.
 */
export function countBroken(turn: Turn, { step, images }: StepCommitted): void {
  const schedule = scheduleOf(turn.run);
  if (schedule === undefined) return;
  const { epoch, count: planned } = positionsOfStep(schedule, step - 1);
  const { brokenImages = NONE } = turn.run;
  const count = (epoch === brokenImages.epoch ? brokenImages.count : 0) + planned - images;
  update(turn, { brokenImages: { ...brokenImages, epoch, count } });
  if (count <= mostBroken(schedule.samples)) return;
  const { message } = tooManyBroken({ broken: count, samples: schedule.samples, named: brokenImages.named });
  stop(turn, { state: 'failed', reason: 'DataInvalid', message });
}

/** Adopts the ledger when it is ahead of the run, which was saved earlier. */
export function takeLedger(turn: Turn, { step, epoch, broken }: LedgerProgress): void {
  if (step <= turn.run.step) return;
  const { brokenImages = NONE } = turn.run;
  update(turn, { step, brokenImages: { ...brokenImages, epoch, count: broken } });
}

/** Reads the progress of a run's ledger; undefined while it has none. */
export async function readLedgerProgress(store: Store, run: JobRun): Promise<LedgerProgress | undefined> {
  const { id } = run.facts;
  const schedule = scheduleOf(run);
  const head = schedule === undefined ? undefined : await store.ledgerHead(id);
  if (schedule === undefined || head === undefined || head.step <= head.firstStep) return undefined;
  const { epoch } = positionsOfStep(schedule, head.step - 1);
  const isOver = head.step === stepsOfEpoch(schedule, epoch).endStep;
  const rows = isOver ? [] : await store.loadShards(id, epoch, schedule);
  return { step: head.step, epoch, broken: brokenInRows(schedule, rows) };
}

/** Counts the samples that the rows' steps took but could not read. */
function brokenInRows(schedule: Schedule, rows: readonly ShardRow[]): number {
  return rows
    .flatMap(({ virtualRank, segments }) =>
      segments.map(({ first, last, images }) => rankSamples(schedule, virtualRank, first, last + 1) - images),
    )
    .reduce((sum, broken) => sum + broken, 0);
}

function scheduleOf({ facts, common }: JobRun): Schedule | undefined {
  return common === undefined ? undefined : jobSchedule(facts.spec, common.datasetLength);
}
