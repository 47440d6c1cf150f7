import type { LogLabels } from './labels.ts';

/** Pseudo-job of lines that belong to no job: those of the cluster itself. */
export const CLUSTER = 'cluster';

/** A line as written by a process, with its index labels. */
export interface LogLine {
  /** Number of earlier lines of the same job: its position in the job's order. */
  readonly ordinal: number;
  /** Time of writing, by its process's clock. */
  readonly timeMs: number;
  readonly labels: LogLabels;
  /** The JSON object, without a newline. */
  readonly text: string;
}

/** A line that has no ordinal yet. */
export type NewLine = Omit<LogLine, 'ordinal'> & {
  /** The job's id, or {@link CLUSTER}. */
  readonly job: string;
};
