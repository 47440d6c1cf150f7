import { jobSchedule } from '@maestro/data';
import { dilocoOf } from '@maestro/protocol';
import { release } from '../release.ts';
import { presentMembers, record, type Turn, update } from '../view/turn.ts';
import { isSharded } from './newestState.ts';

/** Duration after which a last checkpoint is reported. */
const TELL_MS = 5000;
/** Duration after which it counts as stuck on a disk or a server, like one that has failed. */
const LONG_MS = 60_000;

/**
 * Returns true when all steps are done and only their checkpoint is missing. From then on the job says what it waits for; once the write
 * has failed, or takes long, workers that have nothing to write are free for other jobs.
 */
export function watchLastWrite(turn: Turn): boolean {
  const { view, facts, common, step, lastCommitMs } = turn.run;
  if (view?.status !== 'working' || common === undefined) return false;
  const [writer, ...others] = presentMembers(turn);
  const isOver = step >= jobSchedule(facts.spec, common.datasetLength).totalSteps;
  if (!isOver || writer?.id !== view.members[0]!.id || writer.status === 'finished') return false;
  const quietMs = turn.nowMs - lastCommitMs;
  if (quietMs < TELL_MS) return true;
  const { lastWrite = { step, sinceMs: lastCommitMs } } = turn.run;
  const since = new Date(lastWrite.sinceMs).toISOString().slice(11, 19);
  const why = lastWrite.error === undefined ? '' : `; it could not: ${lastWrite.error}`;
  update(turn, { lastWrite, message: `all ${step} steps are done; ${writer.name} writes the last checkpoint since ${since}${why}` });
  // When the state is sharded, or replicas train apart, another try needs the others again.
  if (!isLastWriteStuck(turn) || isSharded(turn.run) || dilocoOf(facts.spec) !== undefined) return true;
  for (const worker of others) {
    if (worker.isReleased || worker.status !== 'finished') continue;
    release(turn, worker, { reason: 'all steps are done, and it has nothing to write', writeCheckpoint: false });
    record(turn, 'left', `${worker.name} leaves: all steps are done, and it has nothing to write`);
  }
  return true;
}

/** Records why a checkpoint of the last step could not be written. */
export function noteLastWrite(turn: Turn, { step, error }: { readonly step: number; readonly error: string }): void {
  const { common, facts, lastWrite } = turn.run;
  if (common === undefined || step < jobSchedule(facts.spec, common.datasetLength).totalSteps) return;
  update(turn, { lastWrite: { step, sinceMs: lastWrite?.sinceMs ?? turn.nowMs, error } });
}

/** Returns true when the last checkpoint is stuck on a disk or a server: a cancel then does not wait for another try. */
export function isLastWriteStuck({ run: { lastWrite }, nowMs }: Turn): boolean {
  return lastWrite !== undefined && (lastWrite.error !== undefined || nowMs - lastWrite.sinceMs > LONG_MS);
}
