import { LOG_LEVELS, type LogLevel } from '@maestro/telemetry';
import type { LogLabels } from './labels.ts';
import { compilePattern } from './linePattern.ts';
import type { LogLine } from './logLine.ts';

/** Criteria that select lines of a job. */
export interface LineCriteria {
  /** Only lines of this worker. */
  readonly worker?: string | undefined;
  /** The least urgent level. */
  readonly level?: LogLevel | undefined;
  /** A pattern in RE2's syntax, searched for in the line. */
  readonly search?: string | undefined;
  /** Inclusive. */
  readonly fromMs?: number | undefined;
  /** Exclusive. */
  readonly toMs?: number | undefined;
}

/** Compiled criteria. */
export interface LineFilter {
  /** True when a line with these labels may match. */
  readonly takesLabels: (labels: LogLabels) => boolean;
  readonly takes: (line: LogLine) => boolean;
  readonly fromMs: number;
  readonly toMs: number;
}

/**
 * Compiles a filter.
 * @throws MaestroError `invalid-argument` for an invalid pattern.
 */
export function lineFilter({
  worker,
  level,
  search,
  fromMs = Number.NEGATIVE_INFINITY,
  toMs = Number.POSITIVE_INFINITY,
}: LineCriteria): LineFilter {
  const least = level === undefined ? 0 : LOG_LEVELS.indexOf(level);
  const pattern = search === undefined || search === '' ? undefined : compilePattern(search);
  const takesLabels = (labels: LogLabels): boolean =>
    (worker === undefined || labels.worker === worker) && (least === 0 || urgencyOf(labels) >= least);
  return {
    takesLabels,
    takes: (line) =>
      line.timeMs >= fromMs && line.timeMs < toMs && takesLabels(line.labels) && (pattern === undefined || pattern.isIn(line.text)),
    fromMs,
    toMs,
  };
}

/** An unknown level counts as `info`. */
function urgencyOf({ level }: LogLabels): number {
  const urgency = LOG_LEVELS.indexOf(level as LogLevel);
  return urgency < 0 ? LOG_LEVELS.indexOf('info') : urgency;
}
