import type { z } from 'zod';

/** An unvalidated section of a job file. */
export type JobSection = Readonly<Record<string, unknown>>;

/** A problem of a job file: its place and message. */
export interface JobIssue {
  readonly path: string[];
  readonly message: string;
}

/** Schemas from which a recipe's section of the job file is built. */
export interface SectionSchemas {
  /** Location of samples that are measured and not trained on. */
  readonly testData: z.ZodType;
  /** The library from which schemas are built. */
  readonly z: typeof z;
}

/** Units of a {@link MetricInfo}: a `share` is a fraction of 1 shown in percent, a `rate` is small and shown with an exponent. */
export const METRIC_UNITS = ['number', 'share', 'count', 'rate'] as const;

/** A metric that a job reports at each step, or a final result. */
export interface MetricInfo {
  /** In camelCase: a letter, then letters and digits, at most 40. */
  readonly name: string;
  readonly label: string;
  /** Label in a line of text; defaults to the label in lower case. */
  readonly shortLabel?: string;
  /** Name in Prometheus (after `maestro_`) and TensorBoard (after `train/`); defaults to `name` in snake_case. */
  readonly exportName?: string;
  readonly unit: (typeof METRIC_UNITS)[number];
  /** Describes the measurement in a clause shown beside the label of its curve. */
  readonly about?: string;
  /** The better direction; absent when neither is. */
  readonly better?: 'higher' | 'lower';
  /** Name of another result that is shown next to this one. */
  readonly note?: string;
  /** True for a metric left out of the numbers at a glance; descriptions, exports and monitoring include it. */
  readonly isDetail?: boolean;
}

/**
 * Description of a recipe for coordinator, command line and dashboard: a purpose of a job. It loads nothing heavy, and does no I/O. Paths
 * into the job file are lists of keys.
 */
export interface RecipeInfo {
  /** Value of the job file's `recipe`. */
  readonly id: string;
  /** The module that it came in, as `MAESTRO_RECIPES` names it; absent when it is part of maestro. */
  readonly module?: string;
  /** One clause that continues "recipe ID", such as `trains a masked autoencoder`. */
  readonly does: string;
  /** `training` jobs leave weights, `measuring` jobs numbers about a checkpoint's weights. */
  readonly verb: 'training' | 'measuring';
  /** True when a checkpoint's reconstructions of masked images can be drawn: its model is a masked autoencoder. */
  readonly hasPictures?: boolean;
  /** Its own section of the job file. */
  readonly section?: { readonly key: string; readonly schema: (schemas: SectionSchemas) => z.ZodType };
  /** Places in the job file that name data sets, besides `data`. */
  readonly dataPlaces: readonly (readonly string[])[];
  /** Fills in this recipe's own defaults in a job file. */
  readonly defaults?: (file: JobSection) => JobSection;
  /** Returns the problems of a job file with this recipe. `defaults` are the sections' values when left out. */
  readonly issues?: (spec: JobSection, defaults: JobSection) => JobIssue[];
  /**
   * Metrics reported at each step besides the speed, in display order. The first one is the headline metric of a job. A worker may omit one
   * at a step; metrics not listed here are dropped.
   */
  readonly series: readonly MetricInfo[];
  /** Results of its jobs besides weights, in display order. */
  readonly results: readonly MetricInfo[];
  /** Formats the results as a clause, for a job's final message. */
  readonly summary?: (results: Readonly<Record<string, number>>) => string;
}
