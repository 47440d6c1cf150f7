import type { CoordinatorMessage, FailureTimeouts, ViewMember } from '@maestro/protocol';
import type { JobRun, RunEffect, RunRecord, RunWorker } from '../state/runState.ts';
import { workersById } from '../state/workersById.ts';

/** Limits the records that a run keeps. */
const MOST_RECORDS = 100;

/** A transition in progress: the run so far, and the effects so far. It never leaves `transition`. */
export interface Turn {
  run: JobRun;
  readonly effects: RunEffect[];
  readonly nowMs: number;
  readonly timeouts: FailureTimeouts;
}

/** Changes the run. */
export function update(turn: Turn, changes: Partial<JobRun>): void {
  turn.run = { ...turn.run, ...changes };
}

/** Changes one worker of the run. */
export function updateWorker(turn: Turn, id: string, changes: Partial<RunWorker>): void {
  update(turn, { workers: turn.run.workers.map((worker) => (worker.id === id ? { ...worker, ...changes } : worker)) });
}

/** Removes a worker from the run; whether it is free for others is a separate matter. */
export function removeWorker(turn: Turn, id: string): void {
  update(turn, { workers: turn.run.workers.filter((worker) => worker.id !== id) });
}

/** Withdraws a worker's vote on what all must have in common. */
export function withdrawVote(turn: Turn, id: string): void {
  const { votes } = turn.run;
  if (votes !== undefined) update(turn, { votes: votes.filter(({ workerId }) => workerId !== id) });
}

/** Returns the worker with this id, while it works for the run. */
export function workerOf({ run }: Turn, id: string): RunWorker | undefined {
  return workersById(run.workers).get(id);
}

/** Adds an effect. */
export function effect(turn: Turn, next: RunEffect): void {
  turn.effects.push(next);
}

/** Sends a message to a worker. */
export function send(turn: Turn, workerId: string, message: CoordinatorMessage): void {
  effect(turn, { type: 'send', workerId, message });
}

/** Records an event, for people. */
export function record(turn: Turn, type: RunRecord['type'], message: string): void {
  const { generation, step, records } = turn.run;
  update(turn, { records: [...records, { timeMs: turn.nowMs, generation, step, type, message }].slice(-MOST_RECORDS) });
}

/** Each event asks several times, and a commit changes no worker. */
const present = new WeakMap<readonly RunWorker[], { readonly of: readonly ViewMember[]; readonly members: readonly RunWorker[] }>();

/** Returns the workers of the current view that have not been lost, in rank order. */
export function presentMembers({ run: { view, workers } }: Turn): readonly RunWorker[] {
  if (view === undefined) return [];
  const known = present.get(workers);
  if (known?.of === view.members) return known.members;
  const byId = workersById(workers);
  const members = view.members.flatMap(({ id }) => byId.get(id) ?? []);
  present.set(workers, { of: view.members, members });
  return members;
}

/** Returns true when the worker is in no view and can join one. */
export function isOut({ status }: RunWorker): boolean {
  return status === 'ready' || status === 'held' || status === 'finished';
}

/** Returns true when the worker is at work for a view. */
export function isBusy({ status }: RunWorker): boolean {
  return status === 'forming' || status === 'formed' || status === 'working';
}

/** Formats `a, b and c`. */
export function names(workers: readonly { readonly name: string }[]): string {
  const all = workers.map(({ name }) => name);
  return all.length < 2 ? (all[0] ?? 'nobody') : `${all.slice(0, -1).join(', ')} and ${all.at(-1)}`;
}

/** Formats `4.1 s`. */
export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
