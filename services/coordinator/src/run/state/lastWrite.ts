import { jobSchedule } from '@maestro/data';
import { dilocoOf } from '@maestro/protocol';
import { release } from '../release.ts';
import { presentMembers, record, type Turn, update } from '../view/turn.ts';
import { isSharded } from './newestState.ts';

/** A last checkpoint that takes so long is told of. */
const TELL_MS = 5000;
/** One that takes so long waits for a disk or a server, as one that has failed does. */
const LONG_MS = 60_000;

/**
 * Whether all steps are done and their checkpoint alone is missing. From then on the job says what it waits for; once the write has failed,
 * or takes long, workers that have nothing to write are free for other jobs.
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
  // Where the state is sharded, or replicas train apart, another try asks the others for it again.
  if (!isLastWriteStuck(turn) || isSharded(turn.run) || dilocoOf(facts.spec) !== undefined) return true;
  for (const worker of others) {
    if (worker.isReleased || worker.status !== 'finished') continue;
    release(turn, worker, { reason: 'all steps are done, and it has nothing to write', writeCheckpoint: false });
    record(turn, 'left', `${worker.name} leaves: all steps are done, and it has nothing to write`);
  }
  return true;
}

/** Notes why a checkpoint of the last step could not be written. */
export function noteLastWrite(turn: Turn, { step, error }: { readonly step: number; readonly error: string }): void {
  const { common, facts, lastWrite } = turn.run;
  if (common === undefined || step < jobSchedule(facts.spec, common.datasetLength).totalSteps) return;
  update(turn, { lastWrite: { step, sinceMs: lastWrite?.sinceMs ?? turn.nowMs, error } });
}

/** Whether the last checkpoint waits for a disk or a server: who cancels the job then does not wait for another try. */
export function isLastWriteStuck({ run: { lastWrite }, nowMs }: Turn): boolean {
  return lastWrite !== undefined && (lastWrite.error !== undefined || nowMs - lastWrite.sinceMs > LONG_MS);
}
