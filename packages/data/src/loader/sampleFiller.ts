import type { BatchViews } from '@maestro/protocol';
import type { RandomStream } from '@maestro/random';

/** A sample in an epoch of a job: with the purpose of a draw, all that a random number may depend on. */
export interface SampleAddress {
  readonly seed: number;
  readonly epoch: number;
  /** The sample's index in the data set. */
  readonly index: number;
}

/** One sample of a batch, as whoever fills in its inputs sees it. */
export interface SampleToFill extends SampleAddress {
  /** Its class; undefined where it has none. */
  readonly label: number | undefined;
  /**
   * Reads its image to `out`, [C, H, W], normalised: `random` as the job's `augment` draws crop and flip of this epoch (the default),
   * `central` as for an evaluation. A sample whose image is broken is left out of the batch, whatever is filled in beside it.
   */
  readImage(out: Float32Array, crop?: 'random' | 'central'): Promise<void>;
  /** Random numbers of this sample in this epoch; one stream for each name. */
  random(name: string): RandomStream;
}

/**
 * Fills in the inputs of one sample: a pure function of the sample, which a restart or another worker calls again. Each array of `out` is
 * zero, and as long as the input's shape says.
 */
export type SampleFiller = (sample: SampleToFill, out: BatchViews) => void | Promise<void>;

/** Where a thread finds what fills in samples. */
export interface FillerSource {
  /** URL of a module that exports `openSampleFiller`, a {@link OpenSampleFiller}. */
  readonly module: string;
  /** What it is called with; crosses threads. */
  readonly options: unknown;
}

/** Makes a thread's sample filler. */
export type OpenSampleFiller = (options: never) => SampleFiller | Promise<SampleFiller>;
