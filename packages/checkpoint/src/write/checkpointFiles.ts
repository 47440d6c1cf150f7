import type { TrainingTensors } from '../format/checkpointHash.ts';

/** A point during a write at which tests can stop it: before writing a file, flushing a file or folder, or renaming a folder. */
export interface CheckpointPhase {
  readonly name: 'write' | 'fsync' | 'rename';
  /** Name of the file or folder. */
  readonly target: string;
}

/** Options of `writeCheckpoint`. */
export interface WriteCheckpointOptions extends TrainingTensors {
  /** The job's checkpoint folder, created if missing, or `s3://bucket/prefix`. One writer at a time. */
  readonly root: string;
  /** Number of steps done. */
  readonly step: number;
  /** Everything else that a resume needs, as JSON values; the step is added. */
  readonly state: Readonly<Record<string, unknown>>;
  /** `__metadata__` of the model file. Default `{ format: 'pt' }`, which other readers require. */
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

/** Content of every file of a checkpoint but the manifest. */
export type CheckpointFiles = Readonly<Record<string, readonly Uint8Array[]>>;
