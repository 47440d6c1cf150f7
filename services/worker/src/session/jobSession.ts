import type { Dataset, LearningRateSchedule, Loader, Schedule } from '@maestro/data';
import type { Trainer } from '@maestro/engine';
import type { JobSpec, StateShard } from '@maestro/protocol';
import type { PlanSource, RecipePlan } from '@maestro/recipes';
import type { RedisConnection } from '@maestro/redis';
import type { ParameterLayout } from '@maestro/tensors';
import type { Checkpointer } from '../checkpoint/checkpointer.ts';
import type { CheckpointRules } from '../checkpoint/checkpointRules.ts';
import type { Collector } from '../state/collector.ts';
import type { Snapshots } from '../state/snapshots.ts';
import type { ContentCheck } from './contentCheck.ts';
import type { TrainingModel } from './trainingModel.ts';

/** Deadline for Redis when a worker opens a job. */
export const REDIS_TIMEOUT_MS = 10_000;

/** Resources that a worker opens once for a training job, and keeps over its views. */
export interface JobSession {
  readonly jobId: string;
  readonly spec: JobSpec;
  /** The recipe's plan of the job. */
  readonly plan: RecipePlan;
  /** Source from which a thread rebuilds the plan. */
  readonly planSource: PlanSource;
  readonly layout: ParameterLayout;
  readonly dataset: Dataset;
  readonly schedule: Schedule;
  readonly learningRate: LearningRateSchedule;
  readonly training: TrainingModel;
  readonly trainer: Trainer;
  readonly loader: Loader;
  readonly contents: ContentCheck;
  readonly checkpointer: Checkpointer;
  readonly collector: Collector;
  /** Its shard and its neighbour's at the ends of windows, when the moments are sharded. */
  readonly snapshots: Snapshots;
  /** True when each member keeps only the moments of its chunk. */
  readonly isSharded: boolean;
  readonly checkpointRules: CheckpointRules;
  readonly redis: RedisConnection;
  /** Values that the members of a job must have in common, as JSON. */
  readonly identityJson: string;
  /** Steps of the trainer's state; -1 while it holds none that a view could start from. */
  state: number;
  /** Whether the trainer has the parameters that are frozen: from the first state that it held on, they stay as they are. */
  hasFrozen: boolean;
  /** Of which states the trainer holds what, when the moments are sharded: what this member can give to others. */
  shards: readonly StateShard[];
  /** Resolves when the artifacts that this member writes are on disk, or have failed to be written. */
  artifacts: Promise<void>;
  close(): Promise<void>;
}
