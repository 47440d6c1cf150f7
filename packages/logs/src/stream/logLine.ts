import type { LogLabels } from './labels.ts';

/** Where lines go that belong to no job: those of the cluster itself. */
export const CLUSTER = 'cluster';

/** A line as a process wrote it, with what it is indexed by. */
export interface LogLine {
  /** Lines of the same job before this one, ever: its place in the job's one order. */
  readonly ordinal: number;
  /** When it was written, by its process's clock. */
  readonly timeMs: number;
  readonly labels: LogLabels;
  /** The JSON object, without a newline. */
  readonly text: string;
}

/** A line before it has its place. */
export type NewLine = Omit<LogLine, 'ordinal'> & {
  /** The job's id, or {@link CLUSTER}. */
  readonly job: string;
};
