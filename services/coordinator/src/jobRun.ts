import type {
  CheckpointWritten,
  CoordinatorMessage,
  Formed,
  Heartbeat,
  JobState,
  Left,
  StepCommitted,
  ViewMember,
} from '@maestro/protocol';
import { assignRanks, type WorkerRef } from './assignRanks.ts';

/** What of a job's file and data set its run depends on. */
export interface JobFacts {
  readonly id: string;
  readonly specJson: string;
  readonly virtualRanks: number;
  /** Checkpoint to restore from, and the steps it has done; empty and 0 for a fresh start. */
  readonly restoreFrom: string;
  readonly startStep: number;
}

/** A member of the present view. */
export interface RunMember extends ViewMember {
  readonly status: 'joining' | 'formed' | 'working' | 'left' | 'lost';
  /** Index of the step it works on, and what it does there, as last heard. */
  readonly step: number;
  readonly phase: string;
  readonly lastHeardMs: number;
}

/** How a job ends once its members have left. */
export interface Outcome {
  readonly state: Extract<JobState, 'succeeded' | 'failed' | 'cancelled'>;
  readonly reason: string;
  readonly message: string;
}

/** The state of one job's run: plain data, changed by {@link transition} alone. */
export interface JobRun {
  readonly facts: JobFacts;
  /** `stopping` shows as running to clients: the members write a last checkpoint and leave. */
  readonly phase: 'queued' | 'starting' | 'running' | 'stopping' | 'ended';
  readonly message: string;
  readonly generation: number;
  readonly members: readonly RunMember[];
  /** Steps committed. */
  readonly step: number;
  readonly outcome?: Outcome;
  /** When `stopping` ends even if members are silent. */
  readonly stopDeadlineMs?: number;
  /** What the members have in common, and who said so first. */
  readonly common?: { readonly by: string; readonly identity: Identity; readonly datasetLength: number };
}

type Identity = Readonly<Record<string, unknown>>;

/** What can happen to a run. Messages of members carry their generation; those of an old one are ignored. */
export type RunEvent =
  | { readonly type: 'placed'; readonly workers: readonly WorkerRef[] }
  | { readonly type: 'heartbeat'; readonly workerId: string; readonly heartbeat: Heartbeat }
  | { readonly type: 'formed'; readonly workerId: string; readonly formed: Formed }
  | { readonly type: 'committed'; readonly workerId: string; readonly committed: StepCommitted }
  | { readonly type: 'checkpoint'; readonly checkpoint: CheckpointWritten }
  | { readonly type: 'left'; readonly workerId: string; readonly left: Left }
  | { readonly type: 'workerLost'; readonly workerId: string; readonly evidence: string }
  | { readonly type: 'cancel'; readonly reason: string }
  /** The coordinator itself cannot go on with the job. */
  | { readonly type: 'fault'; readonly reason: string; readonly message: string }
  | { readonly type: 'tick' };

/** What is to be done after a transition, in order. */
export type RunEffect =
  | { readonly type: 'send'; readonly workerId: string; readonly message: CoordinatorMessage }
  /** The shards of the window that holds `step`, and of the one after it, must be in the queues. */
  | { readonly type: 'enqueueShards'; readonly step: number }
  | { readonly type: 'commitStep'; readonly committed: StepCommitted; readonly members: readonly ViewMember[] }
  | { readonly type: 'addCheckpoint'; readonly checkpoint: CheckpointWritten }
  /** The members no longer need the job's queues, and are free for others. */
  | { readonly type: 'ended'; readonly outcome: Outcome };

/** Times that decide when waiting ends, in milliseconds. */
export interface RunTimeouts {
  /** A member from which nothing is heard for so long is lost. Suggested: ten heartbeats. */
  readonly failureMs: number;
  /** How long members may take to leave, with a last checkpoint, once they are told to stop. */
  readonly stopMs: number;
}

/** The timeouts of an ordinary cluster; a job whose worker was killed ends within their sum. */
export const DEFAULT_RUN_TIMEOUTS: RunTimeouts = { failureMs: 5000, stopMs: 4500 };

/** What a transition gives: the new state, and what is to be done. */
export interface Transition {
  readonly run: JobRun;
  readonly effects: readonly RunEffect[];
}

/** A run that waits to be placed on workers. */
export function queuedRun(facts: JobFacts): JobRun {
  return { facts, phase: 'queued', message: 'waiting to be scheduled', generation: 0, members: [], step: facts.startStep };
}

/** The next state of a run, and the effects of getting there. Pure: clock and ids come in with the arguments. */
export function transition(run: JobRun, event: RunEvent, nowMs: number, timeouts: RunTimeouts = DEFAULT_RUN_TIMEOUTS): Transition {
  switch (event.type) {
    case 'placed':
      return run.phase === 'queued' ? place(run, event.workers, nowMs) : unchanged(run);
    case 'heartbeat':
      return forMember(run, event.workerId, event.heartbeat.generation, (member) => {
        const { step, phase } = event.heartbeat;
        return unchanged(replaceMember(run, { ...member, step, phase, lastHeardMs: nowMs }));
      });
    case 'formed':
      return forMember(run, event.workerId, event.formed.generation, (member) => form(run, member, event.formed, nowMs, timeouts));
    case 'committed':
      return forMember(run, event.workerId, event.committed.generation, () => commit(run, event.committed));
    case 'checkpoint':
      // A last checkpoint may land after the deadline for leaving: it is as good.
      return event.checkpoint.generation === run.generation
        ? { run, effects: [{ type: 'addCheckpoint', checkpoint: event.checkpoint }] }
        : unchanged(run);
    case 'left':
      return forMember(run, event.workerId, event.left.generation, (member) => leave(run, member, event.left, nowMs, timeouts));
    case 'workerLost':
      return forMember(run, event.workerId, run.generation, (member) => lose(run, member, event.evidence, nowMs, timeouts));
    case 'cancel':
      return endEarly(run, { state: 'cancelled', reason: 'Cancelled', message: event.reason }, nowMs, timeouts);
    case 'fault':
      return endEarly(run, { state: 'failed', reason: event.reason, message: event.message }, nowMs, timeouts);
    case 'tick':
      return tick(run, nowMs, timeouts);
  }
}

function place(run: JobRun, workers: readonly WorkerRef[], nowMs: number): Transition {
  const { facts } = run;
  const view = assignRanks({ workers, virtualRanks: facts.virtualRanks });
  const generation = run.generation + 1;
  const members = view.map(
    (member): RunMember => ({ ...member, status: 'joining', step: facts.startStep, phase: 'starting', lastHeardMs: nowMs }),
  );
  const message = `${names(members)} prepare${members.length === 1 ? 's' : ''} the model`;
  const { id: jobId, specJson, restoreFrom, startStep } = facts;
  const effects = members.map(
    ({ id }): RunEffect => ({
      type: 'send',
      workerId: id,
      message: { kind: 'view', jobId, generation, members: view, startStep, specJson, restoreFrom },
    }),
  );
  return { run: { ...run, phase: 'starting', generation, members, message }, effects };
}

function form(run: JobRun, member: RunMember, formed: Formed, nowMs: number, timeouts: RunTimeouts): Transition {
  if (run.phase !== 'starting') return unchanged(run);
  const { datasetLength } = formed;
  const identity = JSON.parse(formed.identityJson) as Identity;
  const common = run.common ?? { by: member.name, identity, datasetLength };
  const differences = Object.keys({ ...common.identity, ...identity }).filter((key) => common.identity[key] !== identity[key]);
  if (differences.length > 0) {
    const named = differences.map((key) => `${key} ${identity[key]} where ${common.by} has ${common.identity[key]}`).join(', ');
    const message = `${member.name} differs from its peers, so the bits would depend on who computes: ${named}`;
    return stop(run, { state: 'failed', reason: 'IdentityMismatch', message }, nowMs, timeouts);
  }
  const joined = replaceMember({ ...run, common }, { ...member, status: 'formed', lastHeardMs: nowMs });
  if (joined.members.some(({ status }) => status !== 'formed')) return unchanged(joined);
  const members = joined.members.map((each): RunMember => ({ ...each, status: 'working' }));
  const { generation, facts } = run;
  return {
    run: { ...joined, phase: 'running', members, message: `training on ${names(members)}` },
    effects: [
      { type: 'enqueueShards', step: run.step },
      ...members.map(({ id }): RunEffect => ({ type: 'send', workerId: id, message: { kind: 'go', jobId: facts.id, generation } })),
    ],
  };
}

function commit(run: JobRun, committed: StepCommitted): Transition {
  if ((run.phase !== 'running' && run.phase !== 'stopping') || committed.step <= run.step) return unchanged(run);
  return {
    run: { ...run, step: committed.step },
    effects: [
      { type: 'commitStep', committed, members: run.members },
      { type: 'enqueueShards', step: committed.step },
    ],
  };
}

function leave(run: JobRun, member: RunMember, left: Left, nowMs: number, timeouts: RunTimeouts): Transition {
  const suspect = left.outcome === 'failed' ? run.members.find(({ name }) => name === left.suspect && name !== '') : undefined;
  const after = replaceMember(run, { ...member, status: 'left', lastHeardMs: nowMs });
  if (left.outcome === 'failed' && run.phase !== 'stopping') {
    if (suspect !== undefined) return lose(after, suspect, `${member.name} reports: ${left.errorMessage}`, nowMs, timeouts);
    const message = `${member.name} failed at step ${left.step}: ${left.errorMessage}`;
    return stop(after, { state: 'failed', reason: reasonOf(left.errorCode), message }, nowMs, timeouts);
  }
  if (left.outcome === 'stopped' && run.phase !== 'stopping') {
    const message = `${member.name} left at step ${left.step}: ${left.errorMessage}`;
    return stop(after, { state: 'failed', reason: 'WorkerLeft', message }, nowMs, timeouts);
  }
  return endWhenAllLeft(after);
}

function lose(run: JobRun, member: RunMember, evidence: string, nowMs: number, timeouts: RunTimeouts): Transition {
  if (member.status === 'left' || member.status === 'lost') return unchanged(run);
  const after = replaceMember(run, { ...member, status: 'lost' });
  if (run.phase === 'stopping') return endWhenAllLeft(after);
  const message = `lost worker ${member.name} at step ${member.step} (last heard in ${member.phase}): ${evidence}`;
  return stop(after, { state: 'failed', reason: 'WorkerLost', message }, nowMs, timeouts);
}

/** Ends a run by a decision from outside: at once while it waits, else after its members have stopped. */
function endEarly(run: JobRun, outcome: Outcome, nowMs: number, timeouts: RunTimeouts): Transition {
  if (run.phase === 'queued') return end({ ...run, outcome });
  return run.phase === 'starting' || run.phase === 'running' ? stop(run, outcome, nowMs, timeouts) : unchanged(run);
}

function tick(run: JobRun, nowMs: number, timeouts: RunTimeouts): Transition {
  if (run.phase === 'stopping') return nowMs >= run.stopDeadlineMs! ? end(run) : unchanged(run);
  if (run.phase !== 'starting' && run.phase !== 'running') return unchanged(run);
  const silent = run.members.find((member) => isPresent(member) && nowMs - member.lastHeardMs > timeouts.failureMs);
  if (silent === undefined) return unchanged(run);
  return lose(run, silent, `nothing heard for ${((nowMs - silent.lastHeardMs) / 1000).toFixed(1)} s`, nowMs, timeouts);
}

/** Tells those who are left to stop; the first of them writes a checkpoint when steps have been taken. */
function stop(run: JobRun, outcome: Outcome, nowMs: number, timeouts: RunTimeouts): Transition {
  const present = run.members.filter(isPresent);
  const { id: jobId } = run.facts;
  const effects = present.map(
    ({ id }, index): RunEffect => ({
      type: 'send',
      workerId: id,
      message: {
        kind: 'stop',
        jobId,
        generation: run.generation,
        writeCheckpoint: index === 0 && run.phase === 'running',
        reason: outcome.message,
      },
    }),
  );
  const stopping = { ...run, phase: 'stopping' as const, outcome, message: outcome.message, stopDeadlineMs: nowMs + timeouts.stopMs };
  const { run: after, effects: endEffects } = endWhenAllLeft(stopping);
  return { run: after, effects: [...effects, ...endEffects] };
}

function endWhenAllLeft(run: JobRun): Transition {
  return run.members.some(isPresent) ? unchanged(run) : end(run);
}

/** Without a reason to fail or cancel, all members have left because they had finished. */
function end(run: JobRun): Transition {
  const outcome: Outcome = run.outcome ?? { state: 'succeeded', reason: 'Finished', message: `finished after ${run.step} steps` };
  return { run: { ...run, phase: 'ended', outcome, message: outcome.message }, effects: [{ type: 'ended', outcome }] };
}

function forMember(run: JobRun, workerId: string, generation: number, then: (member: RunMember) => Transition): Transition {
  const member = run.members.find(({ id }) => id === workerId);
  return member === undefined || generation !== run.generation || run.phase === 'ended' ? unchanged(run) : then(member);
}

function replaceMember(run: JobRun, member: RunMember): JobRun {
  return { ...run, members: run.members.map((each) => (each.id === member.id ? member : each)) };
}

function isPresent({ status }: RunMember): boolean {
  return status !== 'left' && status !== 'lost';
}

function unchanged(run: JobRun): Transition {
  return { run, effects: [] };
}

function names(members: readonly RunMember[]): string {
  return members.map(({ name }) => name).join(', ');
}

/** `data-invalid` -> `DataInvalid`. */
function reasonOf(code: string): string {
  return code.replace(/(^|-)([a-z])/g, (_, _dash, letter: string) => letter.toUpperCase()) || 'WorkerFailed';
}
