import type {
  CheckpointFailed,
  CheckpointWritten,
  CoordinatorMessage,
  FailureTimeouts,
  Heartbeat,
  JobSpec,
  JobState,
  Left,
  MemberStatus,
  SkippedImage,
  Standing,
  StateHolder,
  StateShard,
  StepCommitted,
  ViewMember,
} from '@maestro/protocol';
import { mostWorkers } from '@maestro/protocol';
import type { PrecisionChoice } from '../../placement/choosePrecision.ts';
import type { BrokenImages, LedgerProgress } from '../step/brokenRecord.ts';
import type { Deal, WorkerRef } from '../view/assignRanks.ts';

/** The facts of a job that its run depends on. */
export interface JobFacts {
  readonly id: string;
  readonly spec: JobSpec;
  /** Start of a job that has no checkpoint of its own. */
  readonly startPoint: RestorePoint;
}

/** Identifies a reconnecting worker, and its machine; absent in records of older versions. */
export interface WorkerSessionFacts {
  /** SHA-256 (hex) of its session key. */
  readonly sessionKey?: string;
  readonly host?: string;
  readonly pid?: number;
}

/** A worker of the job: in the current view, or on its way into the next. */
export interface RunWorker extends WorkerRef, WorkerSessionFacts {
  /** `assigned` until it reports its standing. */
  readonly status: 'assigned' | MemberStatus;
  /** Its device, once reported. */
  readonly device?: string;
  /** The newest view that it was given. */
  readonly generation: number;
  /** Steps of the state that it holds; -1 when it holds none. */
  readonly state: number;
  /** Parts of states that it holds, when the moments are sharded. */
  readonly shards: readonly StateShard[];
  /** Last report: index of its current step, its phase there and for how long, and whom it waits for. */
  readonly step: number;
  readonly phase: string;
  readonly phaseSeconds: number;
  readonly waitingFor: string;
  /** Compute time of one virtual rank; 0 when unknown. */
  readonly rankSeconds: number;
  readonly lastHeardMs: number;
  /** Time at which its control stream broke; absent while it is connected. */
  readonly awaySinceMs?: number;
  /** Time at which it was assigned to the job. Absent in records of older versions. */
  readonly joinedMs?: number;
  /** Reason why it wants to leave; absent when it does not. */
  readonly drain?: string;
  /** True when it has been asked to leave; `isLastWriter` when it must persist its state first. */
  readonly isReleased: boolean;
  /** Time at which that was; absent before. */
  readonly releasedMs?: number;
  readonly isLastWriter?: boolean;
}

/** The current view. `holding` until its members have stopped. */
export interface RunView {
  readonly members: readonly ViewMember[];
  readonly startStep: number;
  /** Checkpoint that all restore from (empty: from the seed), or the members that have the state. */
  readonly restoreFrom: string;
  readonly sources: readonly string[];
  /** Workers that serve parts of that state, when the moments are sharded. */
  readonly holders: readonly StateHolder[];
  readonly status: 'forming' | 'working' | 'holding';
  /** Time of the last change of status. */
  readonly sinceMs: number;
  /** True when its members abandon the current step. */
  readonly isAbort: boolean;
  /** Steps that must be done before it ends, and whether its state is persisted then; absent until it has been asked to end. */
  readonly notBefore?: number;
  readonly writeCheckpoint?: boolean;
  /** Reason why it ends; empty until it does. */
  readonly reason: string;
  /** Hash of the state that members restored or initialised independently, from the first that formed. */
  readonly stateHash?: string;
}

/** An event of a run, for people: a member joined or was lost, the reason of a view change. */
export interface RunRecord {
  readonly timeMs: number;
  readonly generation: number;
  readonly step: number;
  readonly type: 'view' | 'lost' | 'left' | 'joined' | 'refused' | 'evicted' | 'rebalance' | 'hold' | 'restore' | 'checkpoint' | 'state';
  readonly message: string;
}

/** A view that was formed. One from an older version has only its members. */
export interface PastView {
  readonly generation: number;
  readonly members: readonly ViewMember[];
  readonly startStep?: number;
  readonly timeMs?: number;
  /** Reason why it was formed. */
  readonly reason?: string;
}

/** A worker that the job does not accept, until when, and why. */
export interface Refusal {
  readonly workerId: string;
  readonly name: string;
  readonly untilMs: number;
  readonly reason: string;
}

/** Outcome of a job, once its workers have left. */
export interface Outcome {
  readonly state: Extract<JobState, 'succeeded' | 'failed' | 'cancelled'>;
  readonly reason: string;
  readonly message: string;
}

/** Start of a view whose members hold no state. */
export interface RestorePoint {
  /** A checkpoint's folder; empty to initialise. */
  readonly path: string;
  readonly step: number;
  /** What the job's users should know of it; absent when there is nothing. */
  readonly notes?: readonly string[];
}

/** A worker's values, before it is decided what all must have in common. */
export interface IdentityVote {
  readonly workerId: string;
  /** Its name. */
  readonly by: string;
  readonly identity: Readonly<Record<string, unknown>>;
  readonly datasetLength: number;
  readonly stateLength: number;
  /** True when it was dismissed, being in the minority. */
  readonly isRefused: boolean;
}

/** State of one job's run: plain data (kept in Redis as JSON), changed only by `transition`. */
export interface JobRun {
  readonly facts: JobFacts;
  /** `stopping` and `pausing` last until all workers have left. */
  readonly phase: 'queued' | 'starting' | 'running' | 'pausing' | 'paused' | 'stopping' | 'ended';
  readonly message: string;
  /** Time at which it was last queued, and its total time in the queue before that. */
  readonly queuedMs: number;
  readonly waitedMs: number;
  /** The job that it made way for; absent unless it pauses for that, or has waited for its next turn since. */
  readonly preemption?: string;
  /** Time since when it has lacked workers that it needs to continue; absent while it does not. */
  readonly shortSinceMs?: number;
  /** Generation of the newest view; increases with each view and is never reused. */
  readonly generation: number;
  /** Time at which a coordinator took it over: until its workers are back, their reports may be ahead of what was persisted. */
  readonly recoveredMs?: number;
  /** Incarnation of the coordinator that works on it, and the generations up to which unpersisted views of earlier ones may be in use. */
  readonly incarnation: number;
  readonly skipped: number;
  readonly workers: readonly RunWorker[];
  readonly view?: RunView;
  /** Virtual ranks by worker id, as decided by a re-balancing; applied by the next view if it has exactly these workers. */
  readonly deal?: Deal;
  /** Times of re-balancings in the last hour; absent before. */
  readonly rebalancedMs?: readonly number[];
  /** Steps committed. */
  readonly step: number;
  /** Absent until there are any. */
  readonly brokenImages?: BrokenImages;
  /** Steps recomputed after their commit was known, or lost with all workers. */
  readonly stepsRedone: number;
  /** Start when nobody holds a state; absent when it must be searched first. A view that starts from it consumes it. */
  readonly restore?: RestorePoint;
  /** Until the first view has formed: in the order in which they were ready, one for each name. */
  readonly votes?: readonly IdentityVote[];
  /** Properties that all members have had in common since the first view formed, and who reported them first. */
  readonly common?: {
    readonly by: string;
    readonly identity: Readonly<Record<string, unknown>>;
    readonly datasetLength: number;
    readonly stateLength: number;
  };
  /** Reason why equal bits are not promised: workers of several devices have taken part. Absent while they are. */
  readonly inexact?: string;
  /** Results of a measuring job, by name; absent until it has any. */
  readonly results?: Readonly<Record<string, number>>;
  /** Time since when all steps are done and their checkpoint is being written, and why it failed; absent while there are steps to do. */
  readonly lastWrite?: { readonly step: number; readonly sinceMs: number; readonly error?: string };
  /** What `precision: auto` of its file became when it first started; `facts.spec` has it. Absent when the file names a precision. */
  readonly choice?: PrecisionChoice;
  readonly outcome?: Outcome;
  /** Time at which `stopping` or `pausing` ends even if workers are silent. */
  readonly stopDeadlineMs?: number;
  /** In order of time, the newest last; bounded. */
  readonly records: readonly RunRecord[];
  /** The most recent views, the newest last, bounded: reports name the generation that they come from. */
  readonly pastViews: readonly PastView[];
  readonly refusals: readonly Refusal[];
  /**
   * Number of views that failed since the last committed step, and how often each member was blamed; blaming others counts a little too.
   */
  readonly failures: number;
  readonly blames: Readonly<Record<string, number>>;
  readonly lastCommitMs: number;
  /** Reason why records do not reach Redis; absent while they do. Nobody is blamed for a lack of progress until `excusedMs`. */
  readonly outage?: string;
  readonly excusedMs: number;
  /** Mean step time, 0 before the first. */
  readonly stepSeconds: number;
  /** Step of the newest checkpoint, and of one that was requested from a waiting member. */
  readonly checkpointStep: number;
  readonly savedStep: number;
}

/** Events of a run. */
export type RunEvent =
  /** `choice` is what `precision: auto` becomes; it counts when the job starts for the first time. */
  | { readonly type: 'assigned'; readonly workers: readonly WorkerRef[]; readonly choice?: PrecisionChoice }
  /** A worker reports its standing, over a new connection or an existing one. */
  | { readonly type: 'standing'; readonly worker: WorkerRef; readonly standing: Standing }
  | { readonly type: 'heartbeat'; readonly workerId: string; readonly heartbeat: Heartbeat }
  | { readonly type: 'committed'; readonly workerId: string; readonly committed: StepCommitted }
  /** The ledger has all steps up to this one. */
  | { readonly type: 'acknowledged'; readonly step: number }
  | { readonly type: 'checkpoint'; readonly checkpoint: CheckpointWritten }
  | { readonly type: 'checkpointFailed'; readonly workerId: string; readonly failed: CheckpointFailed }
  | { readonly type: 'left'; readonly workerId: string; readonly left: Left }
  | { readonly type: 'drain'; readonly workerId: string; readonly reason: string }
  /** The control stream ended; `isDead` when the process is known to be gone. */
  | { readonly type: 'disconnected'; readonly workerId: string; readonly evidence: string; readonly isDead?: boolean }
  /** The answer to `findCheckpoint`. */
  | { readonly type: 'restorePoint'; readonly point: RestorePoint; readonly note: string }
  | { readonly type: 'pause'; readonly reason: string }
  /** Pauses the job, to be queued again automatically. */
  | { readonly type: 'preempt'; readonly reason: string }
  | { readonly type: 'resume' }
  | { readonly type: 'cancel'; readonly reason: string }
  /** The coordinator itself cannot continue the job. */
  | { readonly type: 'fault'; readonly reason: string; readonly message: string }
  /** A member could not read these images. */
  | { readonly type: 'skipped'; readonly images: readonly SkippedImage[] }
  /** A new coordinator has read the run from Redis, with the progress of its ledger. */
  | { readonly type: 'recovered'; readonly incarnation: number; readonly ledger?: LedgerProgress | undefined }
  /** Periodic tick; `outage` says why records do not reach Redis, if they do not. */
  | { readonly type: 'tick'; readonly outage?: string };

/** Effects to perform after a transition, in order. */
export type RunEffect =
  | { readonly type: 'send'; readonly workerId: string; readonly message: CoordinatorMessage }
  /** The worker is lost: closes its control stream, so that it must introduce itself again. */
  | { readonly type: 'disconnect'; readonly workerId: string; readonly reason: string }
  /** Fills the queues of a new view with the shards of the window of `step`, and of the next one. */
  | { readonly type: 'openGeneration'; readonly generation: number; readonly step: number }
  | { readonly type: 'enqueueShards'; readonly step: number }
  | { readonly type: 'commitStep'; readonly committed: StepCommitted; readonly members: readonly ViewMember[] }
  | { readonly type: 'addCheckpoint'; readonly checkpoint: CheckpointWritten }
  /** Finds the newest valid checkpoint, to be answered with `restorePoint`. */
  | { readonly type: 'findCheckpoint' }
  /** The job no longer needs its queues. */
  | { readonly type: 'closeQueues' };

/** Result of a transition: the new state, and the effects. */
export interface Transition {
  readonly run: JobRun;
  readonly effects: readonly RunEffect[];
}

/** Context of a transition, besides the event. */
export interface RunContext {
  readonly nowMs: number;
  readonly timeouts: FailureTimeouts;
}

/** Creates a run that has waited for workers since `nowMs`, under the coordinator of `incarnation`. */
export function queuedRun(facts: JobFacts, incarnation: number, nowMs: number): JobRun {
  const { notes = [], ...restore } = facts.startPoint;
  return {
    facts,
    phase: 'queued',
    message: 'waiting to be scheduled',
    queuedMs: nowMs,
    waitedMs: 0,
    generation: 0,
    incarnation,
    skipped: 0,
    workers: [],
    step: restore.step,
    stepsRedone: 0,
    restore,
    records: notes.map((message) => ({ timeMs: nowMs, generation: 0, step: restore.step, type: 'restore', message })),
    pastViews: [],
    refusals: [],
    failures: 0,
    blames: {},
    lastCommitMs: 0,
    excusedMs: 0,
    stepSeconds: 0,
    checkpointStep: restore.step,
    savedStep: -1,
  };
}

/** Returns the workers that the run has and keeps. */
export function stayingWorkers({ phase, workers }: JobRun): RunWorker[] {
  const isAtWork = phase === 'starting' || phase === 'running';
  return isAtWork ? workers.filter(({ isReleased, drain }) => !isReleased && drain === undefined) : [];
}

/** Returns how many more workers the run would accept now. */
export function openPlaces(run: JobRun): number {
  const isOpen = (run.phase === 'starting' || run.phase === 'running') && run.lastWrite === undefined;
  return isOpen ? Math.max(0, mostWorkers(run.facts.spec) - stayingWorkers(run).length) : 0;
}

/** Returns why the job does not accept a worker now; undefined when it does. */
export function refusalOf({ refusals }: JobRun, workerId: string, nowMs: number): string | undefined {
  return refusals.find((refusal) => refusal.workerId === workerId && refusal.untilMs > nowMs)?.reason;
}

/** Creates a worker that has just been assigned to the job. */
export function newWorker({ name, id, address, sessionKey, host, pid }: WorkerRef & WorkerSessionFacts, nowMs: number): RunWorker {
  return {
    name,
    id,
    address,
    ...(sessionKey !== undefined && { sessionKey }),
    ...(host !== undefined && { host }),
    ...(pid !== undefined && { pid }),
    status: 'assigned',
    generation: 0,
    state: -1,
    shards: [],
    step: 0,
    phase: 'preparing',
    phaseSeconds: 0,
    waitingFor: '',
    rankSeconds: 0,
    lastHeardMs: nowMs,
    joinedMs: nowMs,
    isReleased: false,
  };
}
