import type { Dataset, Schedule } from '@maestro/data';
import type { FlatLayout, MaeConfig } from '@maestro/mae';
import type { JobSpec } from '@maestro/protocol';
import type { KnnSpec } from '@maestro/recipes';
import type { RedisConnection } from '@maestro/redis';
import type { SampleEncoder } from '../step/sampleEncoder.ts';
import type { ContentCheck } from './contentCheck.ts';

/** What a worker opens once for a k-NN job and keeps over its views. It trains nothing, so there is no training graph and no checkpoint. */
export interface KnnSession {
  readonly jobId: string;
  readonly spec: JobSpec;
  readonly knn: KnnSpec;
  readonly config: MaeConfig;
  readonly layout: FlatLayout;
  readonly dataset: Dataset;
  readonly test: Dataset;
  readonly schedule: Schedule;
  readonly redis: RedisConnection;
  readonly contents: ContentCheck;
  /** Steps of training, and hash, of the checkpoint whose encoder is measured. */
  readonly checkpoint: { readonly step: number; readonly checkpointHash: string };
  /** Of the samples of `dataset`. */
  readonly training: SampleEncoder;
  /** Opens that of the samples of `test`, whose labels are those of `dataset`. */
  readonly openTest: () => SampleEncoder;
  readonly identityJson: string;
  /** Steps whose samples are encoded; -1 before the first view. */
  state: number;
  /** What was measured, by name; empty until it was. */
  results: Readonly<Record<string, number>>;
  close(): Promise<void>;
}
