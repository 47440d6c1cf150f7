/** Messages of proto/maestro/v1/coordinator.proto as discriminated unions; quantities and meaning are documented there. */

/** The first message of a worker. */
export interface Hello {
  readonly name: string;
  readonly id: string;
  readonly address: string;
  readonly device: string;
  readonly threads: number;
  readonly pid: number;
  readonly host: string;
  readonly buildJson: string;
}

/** One member of a {@link View}: it owns the virtual ranks firstRank .. firstRank + ranks - 1. */
export interface ViewMember {
  readonly name: string;
  readonly id: string;
  readonly address: string;
  readonly firstRank: number;
  readonly ranks: number;
}

interface OfView {
  readonly jobId: string;
  readonly generation: number;
}

/** Who works for a job from which step on. */
export interface View extends OfView {
  readonly members: readonly ViewMember[];
  readonly startStep: number;
  readonly specJson: string;
  readonly restoreFrom: string;
}

/** What a worker is doing; `jobId` is empty when it is free. */
export interface Heartbeat extends OfView {
  readonly step: number;
  readonly phase: string;
}

/** An image that could not be read, and why. */
export interface SkippedImage {
  readonly name: string;
  readonly reason: string;
}

/** What a member reports when it is ready for the first step of a view. */
export interface Formed extends OfView {
  readonly step: number;
  readonly datasetLength: number;
  readonly identityJson: string;
}

/** What the member with the lowest id reports of a step that it has applied; `step` counts the steps done. */
export interface StepCommitted extends OfView {
  readonly step: number;
  readonly loss: number;
  readonly gradNorm: number;
  readonly lr: number;
  readonly images: number;
  readonly stepSeconds: number;
  /** By virtual rank. */
  readonly ranks: readonly RankReport[];
}

/** What a virtual rank took in one step: images that were read, and the digest of all samples, broken ones too. */
export interface RankReport {
  readonly images: number;
  readonly digest: number;
}

/** Images that a member could not read. */
export interface ImagesSkipped extends OfView {
  readonly step: number;
  readonly images: readonly SkippedImage[];
}

/** Where a checkpoint was written, and its hash (SHA-256 over parameters and moments in name order, hex). */
export interface CheckpointWritten extends OfView {
  readonly step: number;
  readonly path: string;
  readonly hash: string;
}

/** How a member's work for a view ended. */
export interface Left extends OfView {
  readonly step: number;
  readonly outcome: string;
  readonly errorCode: string;
  readonly errorMessage: string;
  readonly suspect: string;
}

/** What a worker says on its control stream. */
export type WorkerMessage =
  | ({ readonly kind: 'hello' } & Hello)
  | ({ readonly kind: 'heartbeat' } & Heartbeat)
  | ({ readonly kind: 'formed' } & Formed)
  | ({ readonly kind: 'committed' } & StepCommitted)
  | ({ readonly kind: 'checkpoint' } & CheckpointWritten)
  | ({ readonly kind: 'left' } & Left)
  | ({ readonly kind: 'skipped' } & ImagesSkipped);

/** What the coordinator says on a worker's control stream. */
export type CoordinatorMessage =
  | { readonly kind: 'welcome'; readonly incarnation: number; readonly heartbeatMs: number }
  | ({ readonly kind: 'view' } & View)
  | ({ readonly kind: 'go' } & OfView)
  | ({ readonly kind: 'stop'; readonly writeCheckpoint: boolean; readonly reason: string } & OfView)
  | { readonly kind: 'refused'; readonly code: string; readonly message: string };

/** The form of a message on the wire, where the field that is set names its kind (a protobuf `oneof`). */
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
