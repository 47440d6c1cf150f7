import { newestWholeStep, type StateHolder } from '@maestro/protocol';
import type { JobRun, RunWorker } from './runState.ts';
import { isOut } from './turn.ts';

/** The newest state that workers which wait can bring into a view, and who has it or a part of it. */
export interface NewestState {
  /** Steps that it has been through; -1 when there is none, or a checkpoint is newer. */
  readonly step: number;
  readonly holders: readonly RunWorker[];
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
    return { step, holders: step < 0 ? [] : staying.filter(({ state }) => state === step) };
  }
  const step = wholeStepOf(run, there);
  if (step < (run.restore?.step ?? run.checkpointStep)) return { step: -1, holders: [] };
  return { step, holders: there.filter(({ shards }) => shards.some((shard) => shard.step === step)) };
}

/** The newest step whose whole state these workers hold together; -1 when there is none. */
export function wholeStepOf({ common }: JobRun, workers: readonly RunWorker[]): number {
  return newestWholeStep(
    workers.flatMap(({ shards }) => shards),
    common?.stateLength ?? 0,
  );
}

/** What a view tells of who holds which part of the state of its first step. */
export function holdersOf({ step, holders }: NewestState): StateHolder[] {
  return holders.flatMap(({ id, name, address, shards }) =>
    shards.flatMap((shard) =>
      shard.step === step ? { id, name, address, first: shard.first, length: shard.length, isWhole: shard.isWhole } : [],
    ),
  );
}
