import type { z } from 'zod';

/** A part of a job file, not checked yet. */
export type JobSection = Readonly<Record<string, unknown>>;

/** What is wrong with a job file: where, and why. */
export interface JobIssue {
  readonly path: string[];
  readonly message: string;
}

/** What a recipe's section of the job file is made from. */
export interface SectionSchemas {
  /** Where samples can lie that are measured and not trained on. */
  readonly testData: z.ZodType;
}

/** Units of a {@link MetricInfo}: a `share` is of 1 and shown in percent, a `rate` is small and shown with an exponent. */
export const METRIC_UNITS = ['number', 'share', 'count', 'rate'] as const;

/** A number that a job tells at each step, or one that it ends with. */
export interface MetricInfo {
  /** In camelCase: a letter, then letters and digits, at most 40. */
  readonly name: string;
  readonly label: string;
  /** The label in a line of text; when left out, the label in lower case. */
  readonly shortLabel?: string;
  /** The name in Prometheus (after `maestro_`) and TensorBoard (after `train/`); when left out, `name` in snake_case. */
  readonly exportName?: string;
  readonly unit: (typeof METRIC_UNITS)[number];
  /** What is measured, in a clause that stands beside the label of its curve. */
  readonly about?: string;
  /** Which way is better; absent where neither is. */
  readonly better?: 'higher' | 'lower';
  /** Name of another result that is told beside this one. */
  readonly note?: string;
  /** Not among the numbers at a glance: descriptions, exports and monitoring have it. */
  readonly isDetail?: boolean;
}

/**
 * What coordinator, command line and dashboard know of a recipe: what a job can be for. It loads nothing heavy, and does no I/O. Paths into
 * the job file are lists of keys.
 */
export interface RecipeInfo {
  /** As in the job file's `recipe`. */
  readonly id: string;
  /** One clause that continues "recipe ID", such as `trains a masked autoencoder`. */
  readonly does: string;
  /** Whether its jobs leave weights, or numbers about a checkpoint's. */
  readonly verb: 'training' | 'measuring';
  /** Its own section of the job file. */
  readonly section?: { readonly key: string; readonly schema: (schemas: SectionSchemas) => z.ZodType };
  /** Where in the job file it names data sets beside `data`. */
  readonly dataPlaces: readonly (readonly string[])[];
  /** A job file with what this recipe has other defaults for. */
  readonly defaults?: (file: JobSection) => JobSection;
  /** What of a job file does not go with this recipe. `defaults` are the sections as they are when left out. */
  readonly issues?: (spec: JobSection, defaults: JobSection) => JobIssue[];
  /**
   * What is told at each step beside the speed, in the order in which it is shown. The first one is what a job is judged by. A worker may
   * leave one out at a step; what is not named here is not taken.
   */
  readonly series: readonly MetricInfo[];
  /** What its jobs end with beside weights, in the order in which it is shown. */
  readonly results: readonly MetricInfo[];
  /** The results in a clause, for the sentence that a job ends with. */
  readonly summary?: (results: Readonly<Record<string, number>>) => string;
}
