import type { TrainingTensors } from '../format/checkpointHash.ts';

/** A moment of a write, for tests that stop it there: about to write a file, flush a file or folder, or rename a folder. */
export interface CheckpointPhase {
  readonly name: 'write' | 'fsync' | 'rename';
  /** The file's name, or the folder's. */
  readonly target: string;
}

/** What `writeCheckpoint` takes. */
export interface WriteCheckpointOptions extends TrainingTensors {
  /** The job's checkpoint folder, made if missing, or `s3://bucket/prefix`. One writer at a time. */
  readonly root: string;
  /** Steps that were taken. */
  readonly step: number;
  /** All else that a resume needs, as JSON values; the step is added. */
  readonly state: Readonly<Record<string, unknown>>;
  /** `__metadata__` of the model file. Default `{ format: 'pt' }`, which other readers ask for. */
  readonly metadata?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  readonly onPhase?: (phase: CheckpointPhase) => void | Promise<void>;
}

/** A checkpoint that is on the device, or in the object store. */
export interface WrittenCheckpoint {
  readonly dir: string;
  readonly step: number;
  readonly checkpointHash: string;
  readonly sizeBytes: number;
}

/** The content of every file of a checkpoint but the manifest. */
export type CheckpointFiles = Readonly<Record<string, readonly Uint8Array[]>>;
