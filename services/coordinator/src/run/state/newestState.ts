import { newestWholeStep, type StateHolder, type StateShard } from '@maestro/protocol';
import { isOut } from '../view/turn.ts';
import type { JobRun, RunWorker } from './runState.ts';

/** The newest state that workers which wait can bring into a view, and who has it or a part of it. */
export interface NewestState {
  /** Steps that it has been through; -1 when there is none, or a checkpoint is newer. */
  readonly step: number;
  readonly holders: readonly RunWorker[];
  /** Whether it is in memory; else copies on disk are needed for it, from the end of a window. */
  readonly isInMemory: boolean;
}

/** Whether each worker keeps the moments of its part alone. */
export function isSharded({ facts }: JobRun): boolean {
  return facts.spec.optimizer.state === 'sharded';
}

/** See {@link NewestState}. Of a state in parts, those count too that want to leave: they hand on what they have first. */
export function newestState(run: JobRun): NewestState {
  const there = run.workers.filter((worker) => !worker.isReleased && worker.awaySinceMs === undefined && isOut(worker));
  if (!isSharded(run)) {
    const staying = there.filter(({ drain }) => drain === undefined);
    const step = Math.max(-1, ...staying.map(({ state }) => state));
    return { step, holders: step < 0 ? [] : staying.filter(({ state }) => state === step), isInMemory: true };
  }
  const step = wholeStepOf(run, there);
  if (step < (run.restore?.step ?? run.checkpointStep)) return { step: -1, holders: [], isInMemory: true };
  const isInMemory = wholeStepOf(run, there, { isInMemory: true }) === step;
  const has = ({ shards }: RunWorker): boolean => shards.some((shard) => isPartOf(shard, { step, isInMemory }));
  return { step, holders: there.filter(has), isInMemory };
}

/** The newest step whose whole state these workers hold together, on disk or, with `isInMemory`, in memory alone; -1 when there is none. */
export function wholeStepOf(
  { common }: JobRun,
  workers: readonly RunWorker[],
  { isInMemory = false }: { readonly isInMemory?: boolean } = {},
): number {
  const shards = workers.flatMap((worker) => worker.shards);
  return newestWholeStep(isInMemory ? shards.filter(({ isStored }) => isStored !== true) : shards, common?.stateLength ?? 0);
}

/** Copies count only where they are needed: what is in memory need not be read. */
function isPartOf(shard: StateShard, { step, isInMemory }: Pick<NewestState, 'step' | 'isInMemory'>): boolean {
  return shard.step === step && !(isInMemory && shard.isStored === true);
}

/** What a view tells of who holds which part of the state of its first step. */
export function holdersOf(newest: NewestState): StateHolder[] {
  return newest.holders.flatMap(({ id, name, address, shards }) =>
    shards.flatMap((shard) => {
      if (!isPartOf(shard, newest)) return [];
      const { first, length, isWhole, isStored = false } = shard;
      return { id, name, address, first, length, isWhole, isStored };
    }),
  );
}
