import type { Dataset, Schedule } from '@maestro/data';
import type { JobSpec, Metrics } from '@maestro/protocol';
import type { Measuring } from '@maestro/recipes';
import type { RedisConnection } from '@maestro/redis';
import type { ContentCheck } from './contentCheck.ts';

/** What a worker opens once for a job that measures and keeps over its views: there is no training graph and no checkpoint to write. */
export interface MeasuringSession {
  readonly jobId: string;
  readonly spec: JobSpec;
  readonly dataset: Dataset;
  readonly schedule: Schedule;
  readonly redis: RedisConnection;
  readonly contents: ContentCheck;
  /** What the recipe measures with. */
  readonly measuring: Measuring;
  readonly identityJson: string;
  /** Steps whose samples are taken; -1 before the first view. */
  state: number;
  /** What was measured, by name; empty until it was. */
  results: Metrics;
  close(): Promise<void>;
}
