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
import type { BrokenImages, LedgerProgress } from '../step/brokenRecord.ts';
import type { Deal, WorkerRef } from '../view/assignRanks.ts';

/** What of a job its run depends on. */
export interface JobFacts {
  readonly id: string;
  readonly spec: JobSpec;
  /** Where the job starts as long as it has no checkpoint of its own. */
  readonly startPoint: RestorePoint;
}

/** By what a worker that comes back is known to be the same, and where it ran; absent in records of older versions. */
export interface WorkerSessionFacts {
  /** SHA-256 (hex) of its session key. */
  readonly sessionKey?: string;
  readonly host?: string;
  readonly pid?: number;
}

/** A worker that works for the job: in the present view, or on its way into the next. */
export interface RunWorker extends WorkerRef, WorkerSessionFacts {
  /** `assigned` until it says where it stands. */
  readonly status: 'assigned' | MemberStatus;
  /** What it computes on, once it has said so. */
  readonly device?: string;
  /** The newest view that it was given. */
  readonly generation: number;
  /** Steps that its state has been through; -1 when it holds none. */
  readonly state: number;
  /** What parts of which states it holds, when members share the moments. */
  readonly shards: readonly StateShard[];
  /** Index of the step it works on, what it does there and for how long, and whom it waits for, as last heard. */
  readonly step: number;
  readonly phase: string;
  readonly phaseSeconds: number;
  readonly waitingFor: string;
  /** Computing time of one virtual rank; 0 when unknown. */
  readonly rankSeconds: number;
  readonly lastHeardMs: number;
  /** When its control stream broke; absent while it is there. */
  readonly awaySinceMs?: number;
  /** When it was given to the job. What an older version kept has none. */
  readonly joinedMs?: number;
  /** Why it wants to leave; absent when it does not. */
  readonly drain?: string;
  /** It was told to leave, and whether it is to write its state down first. */
  readonly isReleased: boolean;
  /** When that was; absent before. */
  readonly releasedMs?: number;
  readonly isLastWriter?: boolean;
}

/** The present view. `holding` until its members have stopped. */
export interface RunView {
  readonly members: readonly ViewMember[];
  readonly startStep: number;
  /** Checkpoint that all restore from (empty: from the seed), or the members that have the state. */
  readonly restoreFrom: string;
  readonly sources: readonly string[];
  /** Who serves which part of that state, when members share the moments. */
  readonly holders: readonly StateHolder[];
  readonly status: 'forming' | 'working' | 'holding';
  /** When it got its status. */
  readonly sinceMs: number;
  /** Whether its members give up the step under way. */
  readonly isAbort: boolean;
  /** Steps done before which it does not end, and whether its state is persisted then; absent until it ends on purpose. */
  readonly notBefore?: number;
  readonly writeCheckpoint?: boolean;
  /** Why it ends; empty until it does. */
  readonly reason: string;
  /** Hash of the state that members restored or initialised on their own, by the first that formed. */
  readonly stateHash?: string;
}

/** Something that happened to a run, for people: who joined, who was lost, and why the view changed. */
export interface RunRecord {
  readonly timeMs: number;
  readonly generation: number;
  readonly step: number;
  readonly type: 'view' | 'lost' | 'left' | 'joined' | 'refused' | 'evicted' | 'rebalance' | 'hold' | 'restore' | 'checkpoint' | 'state';
  readonly message: string;
}

/** A view that was formed. What an older version kept has no more than its members. */
export interface PastView {
  readonly generation: number;
  readonly members: readonly ViewMember[];
  readonly startStep?: number;
  readonly timeMs?: number;
  /** Why it was formed. */
  readonly reason?: string;
}

/** A worker that the job does not take, until when, and why. */
export interface Refusal {
  readonly workerId: string;
  readonly name: string;
  readonly untilMs: number;
  readonly reason: string;
}

/** How a job ends once its workers have left. */
export interface Outcome {
  readonly state: Extract<JobState, 'succeeded' | 'failed' | 'cancelled'>;
  readonly reason: string;
  readonly message: string;
}

/** Where a view starts whose members hold no state. */
export interface RestorePoint {
  /** A checkpoint's folder; empty to initialise. */
  readonly path: string;
  readonly step: number;
}

/** What a worker says that it has, before it is known what all must have. */
export interface IdentityVote {
  readonly workerId: string;
  /** Its name. */
  readonly by: string;
  readonly identity: Readonly<Record<string, unknown>>;
  readonly datasetLength: number;
  readonly stateLength: number;
  /** It was sent away, being in the minority. */
  readonly isRefused: boolean;
}

/** The state of one job's run: plain data (it is kept in Redis as JSON), changed by `transition` alone. */
export interface JobRun {
  readonly facts: JobFacts;
  /** `stopping` and `pausing` show what happens once all workers have left. */
  readonly phase: 'queued' | 'starting' | 'running' | 'pausing' | 'paused' | 'stopping' | 'ended';
  readonly message: string;
  /** When it was last queued, and how long it had waited in the queue before that, in all. */
  readonly queuedMs: number;
  readonly waitedMs: number;
  /** Which job it made way for; absent unless it pauses for that, or waits for its next turn since. */
  readonly preemption?: string;
  /** Since when it has lacked workers that it needs to go on; absent while it does not. */
  readonly shortSinceMs?: number;
  /** The newest view's; rises with each view and is never used again. */
  readonly generation: number;
  /** When a coordinator took it over: until its workers are back, what they say may be ahead of what was persisted. */
  readonly recoveredMs?: number;
  /** The coordinator's that works on it, and the numbers up to which views of earlier ones may be in use that nobody wrote down. */
  readonly incarnation: number;
  readonly skipped: number;
  readonly workers: readonly RunWorker[];
  readonly view?: RunView;
  /** Virtual ranks by worker id, as a re-balancing has decided; the next view, if of just these workers, deals them so. */
  readonly deal?: Deal;
  /** When ranks were dealt anew, in the last hour; absent before. */
  readonly rebalancedMs?: readonly number[];
  /** Steps committed. */
  readonly step: number;
  /** Absent until there are any. */
  readonly brokenImages?: BrokenImages;
  /** Steps that were computed again after their commit was known, or lost with all workers. */
  readonly stepsRedone: number;
  /** Where to start when nobody holds a state; absent when it must be looked for first. A view that starts from it uses it up. */
  readonly restore?: RestorePoint;
  /** Until the first view has formed: in the order in which they were ready, one for each name. */
  readonly votes?: readonly IdentityVote[];
  /** What the members have in common since the first view formed, and who said so first. */
  readonly common?: {
    readonly by: string;
    readonly identity: Readonly<Record<string, unknown>>;
    readonly datasetLength: number;
    readonly stateLength: number;
  };
  /** Why equal bits are not promised: since workers of several devices have been in it. Absent while they are. */
  readonly inexact?: string;
  /** What a job that measures has measured, by name; absent until it has. */
  readonly results?: Readonly<Record<string, number>>;
  /** Since when all steps are done and their checkpoint is being written, and why it could not be; absent while there are steps to do. */
  readonly lastWrite?: { readonly step: number; readonly sinceMs: number; readonly error?: string };
  readonly outcome?: Outcome;
  /** When `stopping` or `pausing` ends even if workers are silent. */
  readonly stopDeadlineMs?: number;
  /** Newest last, bounded. */
  readonly records: readonly RunRecord[];
  /** The newest views, newest last, bounded: reports name the generation that they come from. */
  readonly pastViews: readonly PastView[];
  readonly refusals: readonly Refusal[];
  /** Views that failed since the last committed step, and how often each member was blamed; to blame counts a little too. */
  readonly failures: number;
  readonly blames: Readonly<Record<string, number>>;
  readonly lastCommitMs: number;
  /** What keeps the books from Redis; absent while they are written. Nobody is to blame for standing still until `excusedMs`. */
  readonly outage?: string;
  readonly excusedMs: number;
  /** Mean step time, 0 before the first. */
  readonly stepSeconds: number;
  /** Step of the newest checkpoint, and of one that was asked of a waiting member. */
  readonly checkpointStep: number;
  readonly savedStep: number;
}

/** What can happen to a run. */
export type RunEvent =
  | { readonly type: 'assigned'; readonly workers: readonly WorkerRef[] }
  /** A worker says where it stands, over a new connection or an old one. */
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
  /** Pauses it, to be queued again by itself. */
  | { readonly type: 'preempt'; readonly reason: string }
  | { readonly type: 'resume' }
  | { readonly type: 'cancel'; readonly reason: string }
  /** The coordinator itself cannot go on with the job. */
  | { readonly type: 'fault'; readonly reason: string; readonly message: string }
  /** A member could not read these. */
  | { readonly type: 'skipped'; readonly images: readonly SkippedImage[] }
  /** The run was read back from Redis by a new coordinator, and with it how far the ledger is. */
  | { readonly type: 'recovered'; readonly incarnation: number; readonly ledger?: LedgerProgress | undefined }
  /** Time has passed; `outage` says what keeps the books from Redis, if anything does. */
  | { readonly type: 'tick'; readonly outage?: string };

/** What is to be done after a transition, in order. */
export type RunEffect =
  | { readonly type: 'send'; readonly workerId: string; readonly message: CoordinatorMessage }
  /** The worker is lost: its control stream is closed, so that it must introduce itself again. */
  | { readonly type: 'disconnect'; readonly workerId: string; readonly reason: string }
  /** The queues of a new view must hold the shards of the window of `step`, and of the one after it. */
  | { readonly type: 'openGeneration'; readonly generation: number; readonly step: number }
  | { readonly type: 'enqueueShards'; readonly step: number }
  | { readonly type: 'commitStep'; readonly committed: StepCommitted; readonly members: readonly ViewMember[] }
  | { readonly type: 'addCheckpoint'; readonly checkpoint: CheckpointWritten }
  /** Find the newest valid checkpoint and answer with `restorePoint`. */
  | { readonly type: 'findCheckpoint' }
  /** The job needs its queues no longer. */
  | { readonly type: 'closeQueues' };

/** What a transition gives: the new state, and what is to be done. */
export interface Transition {
  readonly run: JobRun;
  readonly effects: readonly RunEffect[];
}

/** What every transition is given beside the event. */
export interface RunContext {
  readonly nowMs: number;
  readonly timeouts: FailureTimeouts;
}

/** A run that waits since `nowMs` to be placed on workers, as the coordinator of `incarnation` takes it on. */
export function queuedRun(facts: JobFacts, incarnation: number, nowMs: number): JobRun {
  const { startPoint: restore } = facts;
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
    records: [],
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

/** The workers that the run has and is to keep. */
export function stayingWorkers({ phase, workers }: JobRun): RunWorker[] {
  const isAtWork = phase === 'starting' || phase === 'running';
  return isAtWork ? workers.filter(({ isReleased, drain }) => !isReleased && drain === undefined) : [];
}

/** How many more workers the run would take now. */
export function openPlaces(run: JobRun): number {
  const isOpen = (run.phase === 'starting' || run.phase === 'running') && run.lastWrite === undefined;
  return isOpen ? Math.max(0, mostWorkers(run.facts.spec) - stayingWorkers(run).length) : 0;
}

/** Why the job does not take a worker now; undefined when it does. */
export function refusalOf({ refusals }: JobRun, workerId: string, nowMs: number): string | undefined {
  return refusals.find((refusal) => refusal.workerId === workerId && refusal.untilMs > nowMs)?.reason;
}

/** A worker that has just been given to the job. */
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
