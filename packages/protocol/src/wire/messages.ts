/** Messages of proto/maestro/v1/coordinator.proto as discriminated unions; quantities and meaning are documented there. */

import type { Metrics } from '../job/metrics.ts';

/** First message of a worker. */
export interface Hello {
  readonly name: string;
  readonly id: string;
  readonly address: string;
  readonly device: string;
  readonly threads: number;
  readonly pid: number;
  readonly host: string;
  readonly buildJson: string;
  readonly incarnation: number;
  readonly standing: Standing | null;
  /** Random, new at each process start and kept secret: it proves that a reconnecting worker is the same. */
  readonly sessionKey: string;
  /** Version of its native operators; 0 without. */
  readonly operators: number;
  /** The instruction set that they use, or why there are none. */
  readonly kernels: string;
}

/** One member of a {@link View}: it owns the virtual ranks firstRank .. firstRank + ranks - 1. */
export interface ViewMember {
  readonly name: string;
  readonly id: string;
  readonly address: string;
  readonly firstRank: number;
  readonly ranks: number;
}

interface OfJob {
  readonly jobId: string;
}

interface OfView extends OfJob {
  readonly generation: number;
}

/**
 * A part of a training state: the moments of elements `first .. first + length - 1` after `step` steps, with the parameters of the same
 * elements, or of all (`isWhole`). With `isStored` it has been on disk since the end of a window; otherwise it is in memory.
 */
export interface StateShard {
  readonly step: number;
  readonly first: number;
  readonly length: number;
  readonly isWhole: boolean;
  readonly isStored?: boolean;
}

/** A worker that serves a part of the state of a view's first step; it need not be a member. */
export interface StateHolder extends Omit<StateShard, 'step'> {
  readonly id: string;
  readonly name: string;
  readonly address: string;
}

/** Members of a job from a step on, and the holders of that step's state. */
export interface View extends OfView {
  readonly members: readonly ViewMember[];
  readonly startStep: number;
  readonly restoreFrom: string;
  readonly sources: readonly string[];
  readonly holders: readonly StateHolder[];
}

/** A worker's current activity; `jobId` is empty when it is free. */
export interface Heartbeat extends OfView {
  readonly step: number;
  readonly phase: string;
  readonly phaseSeconds: number;
  readonly waitingFor: string;
  readonly rankSeconds: number;
}

/** Every status of a {@link Standing}. */
export type MemberStatus = 'preparing' | 'ready' | 'forming' | 'formed' | 'working' | 'held' | 'finished';

/** State of a worker in its job. */
export interface Standing extends OfView {
  readonly status: MemberStatus;
  readonly step: number;
  readonly datasetLength: number;
  readonly identityJson: string;
  readonly stateHash: string;
  readonly reports: readonly StepCommitted[];
  readonly errorCode: string;
  readonly errorMessage: string;
  readonly suspect: string;
  readonly shards: readonly StateShard[];
  readonly stateLength: number;
  readonly results: Metrics;
}

/** An image that could not be read, and the reason. */
export interface SkippedImage {
  readonly name: string;
  readonly reason: string;
}

/** Images of one virtual rank in a step, the digest of the samples taken, and that of their bytes. */
export interface RankShare {
  readonly images: number;
  readonly digest: number;
  readonly content: number;
}

/** Report of the first member of a view about a step that it has applied; `step` counts the steps done. */
export interface StepCommitted extends OfView {
  readonly step: number;
  /** Metrics of the job's recipe at this step, by name. */
  readonly metrics: Metrics;
  readonly images: number;
  readonly stepSeconds: number;
  readonly ranks: readonly RankShare[];
}

/** Phases of a step, in order; the rest of the time is `other`. */
export const STEP_PHASES = ['data', 'forward', 'wait', 'reduceScatter', 'allGather', 'apply', 'other'] as const;

/** A name in {@link STEP_PHASES}. */
export type StepPhase = (typeof STEP_PHASES)[number];

/** Durations of one step's phases on one member, in seconds; `step` counts it. */
export interface StepTimes extends Readonly<Record<StepPhase, number>> {
  readonly step: number;
  readonly startMs: number;
  readonly lag: number;
}

/** Durations of a member's last steps. */
export interface StepsTimed extends OfView {
  readonly steps: readonly StepTimes[];
}

/** A worker's own metrics. */
export interface MetricsSnapshot extends OfJob {
  readonly familiesJson: string;
}

/** Images that a member could not read. */
export interface ImagesSkipped extends OfView {
  readonly step: number;
  readonly images: readonly SkippedImage[];
}

/** Location of a written checkpoint, and its hash (SHA-256 over parameters and moments in name order, hex). */
export interface CheckpointWritten extends OfView {
  readonly step: number;
  readonly path: string;
  readonly hash: string;
}

/** A checkpoint that could not be written; it will be retried. */
export interface CheckpointFailed extends OfJob {
  readonly step: number;
  readonly errorMessage: string;
}

/** End of a worker's part in a job. */
export interface Left extends OfView {
  readonly step: number;
  readonly outcome: 'released' | 'failed';
  readonly errorCode: string;
  readonly errorMessage: string;
}

/** Messages from a worker on its control stream. */
export type WorkerMessage =
  | ({ readonly kind: 'hello' } & Hello)
  | ({ readonly kind: 'heartbeat' } & Heartbeat)
  | ({ readonly kind: 'standing' } & Standing)
  | ({ readonly kind: 'committed' } & StepCommitted)
  | ({ readonly kind: 'checkpoint' } & CheckpointWritten)
  | ({ readonly kind: 'checkpointFailed' } & CheckpointFailed)
  | ({ readonly kind: 'drain'; readonly reason: string } & OfJob)
  | ({ readonly kind: 'left' } & Left)
  | ({ readonly kind: 'skipped' } & ImagesSkipped)
  | ({ readonly kind: 'timed' } & StepsTimed)
  | ({ readonly kind: 'metrics' } & MetricsSnapshot);

/**
 * Ends a view: at once, or after a step that all members end together (`notBefore` this many steps are done), with or without a checkpoint
 * of it.
 */
export interface Hold extends OfView {
  readonly isAbort: boolean;
  readonly notBefore: number;
  readonly writeCheckpoint: boolean;
  readonly reason: string;
}

/** Messages from the coordinator on a worker's control stream. */
export type CoordinatorMessage =
  | { readonly kind: 'welcome'; readonly incarnation: number; readonly heartbeatMs: number; readonly failureTimeoutMs: number }
  | ({ readonly kind: 'prepare'; readonly specJson: string } & OfJob)
  | ({ readonly kind: 'view' } & View)
  | ({ readonly kind: 'go' } & OfView)
  | ({ readonly kind: 'hold' } & Hold)
  | ({ readonly kind: 'acknowledge'; readonly step: number } & OfJob)
  | ({ readonly kind: 'save' } & OfJob)
  | ({ readonly kind: 'release'; readonly writeCheckpoint: boolean; readonly reason: string } & OfJob)
  | { readonly kind: 'refused'; readonly code: string; readonly message: string };

/** Wire form of a message, in which the field that is set names its kind (a protobuf `oneof`). */
export type Wire = Readonly<Record<string, unknown>> & { readonly message?: string };

/** Wraps a message for the wire. */
export function toWire({ kind, ...fields }: WorkerMessage | CoordinatorMessage): Wire {
  return { [kind]: fields };
}

/** Unwraps a message; `undefined` for a kind that this version does not know. */
export function fromWire<Message extends WorkerMessage | CoordinatorMessage>(wire: Wire): Message | undefined {
  const kind = wire.message;
  return kind === undefined ? undefined : ({ kind, ...(wire[kind] as object) } as Message);
}
