import { newestWholeStep, type StateHolder, type StateShard } from '@maestro/protocol';
import { isOut } from '../view/turn.ts';
import type { JobRun, RunWorker } from './runState.ts';

/** The newest state that waiting workers can bring into a view, and the holders of its parts. */
export interface NewestState {
  /** Number of its steps; -1 when there is none, or a checkpoint is newer. */
  readonly step: number;
  readonly holders: readonly RunWorker[];
  /** True when it is in memory; otherwise it needs copies on disk, from the end of a window. */
  readonly isInMemory: boolean;
}

/** Returns true when each worker keeps only the moments of its shard. */
export function isSharded({ facts }: JobRun): boolean {
  return facts.spec.optimizer.state === 'sharded';
}

/** Returns the {@link NewestState}. For a sharded state, workers that want to leave count too: they hand over their shards first. */
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

/**
 * Returns the newest step whose whole state these workers hold together, on disk or, with `isInMemory`, only in memory; -1 when there is
 * none.
 */
export function wholeStepOf(
  { common }: JobRun,
  workers: readonly RunWorker[],
  { isInMemory = false }: { readonly isInMemory?: boolean } = {},
): number {
  const shards = workers.flatMap((worker) => worker.shards);
  return newestWholeStep(isInMemory ? shards.filter(({ isStored }) => isStored !== true) : shards, common?.stateLength ?? 0);
}

/** Copies on disk count only when they are needed: what is in memory need not be read. */
function isPartOf(shard: StateShard, { step, isInMemory }: Pick<NewestState, 'step' | 'isInMemory'>): boolean {
  return shard.step === step && !(isInMemory && shard.isStored === true);
}

/** Lists, for a view, who holds which part of the state of its first step. */
export function holdersOf(newest: NewestState): StateHolder[] {
  return newest.holders.flatMap(({ id, name, address, shards }) =>
    shards.flatMap((shard) => {
      if (!isPartOf(shard, newest)) return [];
      const { first, length, isWhole, isStored = false } = shard;
      return { id, name, address, first, length, isWhole, isStored };
    }),
  );
}
