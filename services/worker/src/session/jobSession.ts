import type { Dataset, Loader, Schedule } from '@maestro/data';
import type { Trainer } from '@maestro/engine';
import type { FlatLayout, LearningRateSchedule } from '@maestro/mae';
import type { JobSpec, StateShard } from '@maestro/protocol';
import type { PlanSource, RecipePlan } from '@maestro/recipes';
import type { RedisConnection } from '@maestro/redis';
import type { Checkpointer } from '../checkpoint/checkpointer.ts';
import type { CheckpointRules } from '../checkpoint/checkpointRules.ts';
import type { Collector } from '../state/collector.ts';
import type { Snapshots } from '../state/snapshots.ts';
import type { ContentCheck } from './contentCheck.ts';

/** So long a worker waits for Redis when it opens a job. */
export const REDIS_TIMEOUT_MS = 10_000;

/** What a worker opens once for a job that trains, and keeps over its views. */
export interface JobSession {
  readonly jobId: string;
  readonly spec: JobSpec;
  /** What the recipe makes of the job. */
  readonly plan: RecipePlan;
  /** What a thread makes the plan from again. */
  readonly planSource: PlanSource;
  readonly layout: FlatLayout;
  readonly dataset: Dataset;
  readonly schedule: Schedule;
  readonly learningRate: LearningRateSchedule;
  readonly trainingModel: Uint8Array;
  readonly trainer: Trainer;
  readonly loader: Loader;
  readonly contents: ContentCheck;
  readonly checkpointer: Checkpointer;
  readonly collector: Collector;
  /** Its part and its neighbour's at the ends of windows, when the moments are sharded. */
  readonly snapshots: Snapshots;
  /** Whether each member keeps the moments of its chunk alone. */
  readonly isSharded: boolean;
  readonly checkpointRules: CheckpointRules;
  readonly redis: RedisConnection;
  /** What the members of a job must have in common, as JSON. */
  readonly identityJson: string;
  /** Steps that the trainer's state has been through; -1 while it holds none that a view could start from. */
  state: number;
  /** Of which states the trainer holds what, when the moments are sharded: what this member can give to others. */
  shards: readonly StateShard[];
  close(): Promise<void>;
}
