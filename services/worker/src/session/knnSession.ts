import type { Dataset, Schedule } from '@maestro/data';
import type { MaeConfig } from '@maestro/mae';
import type { JobSpec } from '@maestro/protocol';
import type { KnnSpec } from '@maestro/recipes';
import type { RedisConnection } from '@maestro/redis';
import type { ParameterLayout } from '@maestro/tensors';
import type { SampleEncoder } from '../step/sampleEncoder.ts';
import type { ContentCheck } from './contentCheck.ts';

/**
 * Resources that a worker opens once for a k-NN job and keeps over its views. It trains nothing, so there is no training graph and no
 * checkpoint.
 */
export interface KnnSession {
  readonly jobId: string;
  readonly spec: JobSpec;
  readonly knn: KnnSpec;
  readonly config: MaeConfig;
  readonly layout: ParameterLayout;
  readonly dataset: Dataset;
  readonly test: Dataset;
  readonly schedule: Schedule;
  readonly redis: RedisConnection;
  readonly contents: ContentCheck;
  /** Training steps and hash of the checkpoint whose encoder is measured. */
  readonly checkpoint: { readonly step: number; readonly checkpointHash: string };
  /** Encoder of the samples of `dataset`. */
  readonly training: SampleEncoder;
  /** Opens the encoder of the samples of `test`, with the labels of `dataset`. */
  readonly openTest: () => SampleEncoder;
  readonly identityJson: string;
  /** Number of steps whose samples are encoded; -1 before the first view. */
  state: number;
  /** Measured results, by name; empty until there are any. */
  results: Readonly<Record<string, number>>;
  close(): Promise<void>;
}
