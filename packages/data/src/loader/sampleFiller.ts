import type { BatchViews, RecipeName } from '@maestro/protocol';
import type { RandomStream } from '@maestro/random';

/** A sample in an epoch of a job. Together with the purpose of a draw, it is all that a random number may depend on. */
export interface SampleAddress {
  readonly seed: number;
  readonly epoch: number;
  /** Index of the sample in the data set. */
  readonly index: number;
}

/** One sample of a batch, as seen by a {@link SampleFiller}. */
export interface SampleToFill extends SampleAddress {
  /** Class of the sample; undefined when it has none. */
  readonly label: number | undefined;
  /**
   * Reads the image into `out`, [C, H, W], normalised: `random` with this epoch's crop and flip from the job's `augment` (the default),
   * `central` as in an evaluation. A sample with a broken image is left out of the batch, whatever else is filled in.
   */
  readImage(out: Float32Array, crop?: 'random' | 'central'): Promise<void>;
  /** Returns random numbers of this sample in this epoch; one stream per name. */
  random(name: string): RandomStream;
}

/**
 * Fills in the inputs of one sample. A pure function of the sample: a restart or another worker calls it again. Each array of `out` has
 * the length that the input's shape requires, and is zeroed unless {@link FillerSource} says that all of it is written.
 */
export type SampleFiller = (sample: SampleToFill, out: BatchViews) => void | Promise<void>;

/** Tells a thread where to find its sample filler. */
export interface FillerSource {
  /** URL of a module that exports `openSampleFiller`, a {@link OpenSampleFiller}. */
  readonly module: string;
  /** Argument of `openSampleFiller`; must survive a structured clone. */
  readonly options: unknown;
  /** True when the filler writes every element of every input of a sample whose image is not broken. Default: false. */
  readonly writesAll?: boolean;
  /** The recipe whose code it is, for its errors; absent for a filler of maestro's own. */
  readonly author?: RecipeName;
}

/** Creates a thread's sample filler. */
export type OpenSampleFiller = (options: never) => SampleFiller | Promise<SampleFiller>;
