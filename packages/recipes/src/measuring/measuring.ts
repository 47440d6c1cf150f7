import type { Dataset, PositionRange } from '@maestro/data';
import type { Device, JobSpec, Metrics, SkippedImage, TestDataSpec } from '@maestro/protocol';
import type { ParameterLayout } from '@maestro/tensors';

/** What a worker gives a recipe that measures. */
export interface MeasuringTools {
  readonly spec: JobSpec;
  /** The job's data set. */
  readonly dataset: Dataset;
  /** Opens another data set that the job file names. Whoever opens it has nothing to close. */
  readonly openDataset: (data: TestDataSpec) => Promise<Dataset>;
  /** What models are run with. */
  readonly compute: { readonly device: Device; readonly threads: number };
  /** Told at what opening is, in a few words. */
  readonly onStage: (stage: string) => void;
  readonly signal: AbortSignal;
}

/** What became of one batch. */
export interface MeasuredBatch {
  /** Images that were read. */
  readonly images: number;
  /** Of all samples that were taken, broken ones too. */
  readonly digest: number;
  /** Of the same samples with what their bytes were, and their content hashes, as a loader's batch has them. */
  readonly content: number;
  readonly readings: Float64Array;
  readonly skipped: readonly SkippedImage[];
  /** Computing time. */
  readonly seconds: number;
}

/** What {@link Measuring.finish} is given. */
export interface FinishOptions {
  /** Called every few seconds at least while it works. */
  readonly onProgress: () => void;
  /** Whether it is to end before it is done, and to begin again later. */
  readonly isHoldWanted: () => boolean;
  /** Called with images that could not be read. */
  readonly onSkipped: (images: readonly SkippedImage[]) => void;
  readonly signal: AbortSignal;
}

/** A measurement that a worker has under way: kept over the views of its job. */
export interface Measuring {
  /** Of the model that is measured. */
  readonly layout: ParameterLayout;
  /** Hash of what is measured. */
  readonly stateHash: string;
  /** What decides the results beside job file, data set, device and versions. */
  readonly identity: Readonly<Record<string, string>>;
  /** For the log, when it is open. */
  readonly about: Readonly<Record<string, unknown>>;
  /**
   * Takes the samples at the first of these positions of epoch 0; those at the others are loaded meanwhile. What was taken before is taken
   * again.
   * @throws MaestroError `data-invalid`, `non-finite`, `cancelled`.
   */
  take(wanted: readonly PositionRange[], signal: AbortSignal): Promise<MeasuredBatch>;
  /** The results by name, once all samples are taken. @throws the signal's reason; MaestroError `data-invalid`, `non-finite`. */
  finish(options: FinishOptions): Promise<Metrics | 'held'>;
  close(): Promise<void>;
}

/** Opens a measurement. @throws MaestroError of whatever cannot be opened; what was opened is closed then. */
export type OpenMeasuring = (tools: MeasuringTools) => Promise<Measuring>;
