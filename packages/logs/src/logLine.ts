import { LOG_LEVELS } from '@maestro/telemetry';
import type { LogLabel, LogLabels } from './labels.ts';

/** Where lines go that belong to no job: those of the cluster itself. */
export const CLUSTER = 'cluster';

/** What the id of a job looks like; a line that claims another one belongs to the cluster, since ids name folders. */
const JOB_ID = /^job-[0-9a-z-]{1,60}$/;
/** Longest value of a label; more is cut. */
const MAX_LABEL_LENGTH = 100;
const LEVELS: ReadonlySet<string> = new Set(LOG_LEVELS);

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

/**
 * Reads a line of a process. What is no JSON object becomes one with the text as its message; a line without time is given `nowMs`, one without
 * level `info`.
 */
export function parseLine(line: string, nowMs: number): NewLine {
  const text = line.trim();
  const fields = parseFields(text);
  if (fields === undefined) {
    const wrapped = JSON.stringify({ level: 'info', time: new Date(nowMs).toISOString(), msg: text });
    return { job: CLUSTER, timeMs: nowMs, labels: { level: 'info' }, text: wrapped };
  }
  const timeMs = typeof fields['time'] === 'string' ? Date.parse(fields['time']) : Number.NaN;
  const job = typeof fields['job'] === 'string' && JOB_ID.test(fields['job']) ? fields['job'] : CLUSTER;
  const labels = labelsOf(fields, job);
  if (Number.isFinite(timeMs) && fields['level'] !== undefined) return { job, timeMs, labels, text };
  const time = Number.isFinite(timeMs) ? timeMs : nowMs;
  return { job, timeMs: time, labels, text: JSON.stringify({ ...fields, level: labels.level, time: new Date(time).toISOString() }) };
}

/** The fields of a line; `undefined` when it is no JSON object. */
export function parseFields(text: string): Record<string, unknown> | undefined {
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed) ? (parsed as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function labelsOf(fields: Readonly<Record<string, unknown>>, job: string): LogLabels {
  const { role, worker, level } = fields;
  const text = (value: unknown): string | undefined =>
    typeof value === 'string' && value !== '' ? value.slice(0, MAX_LABEL_LENGTH) : undefined;
  const known = text(level);
  return interned({
    job: job === CLUSTER ? undefined : job,
    role: text(role),
    worker: text(worker),
    level: known !== undefined && LEVELS.has(known) ? known : 'info',
  });
}

/** Label sets that are remembered; they are few, unless somebody makes them up. */
const MOST_KNOWN_LABELS = 10_000;
const knownLabels = new Map<string, LogLabels>();

/** Equal labels are one object, so that what is derived from them need not be derived for each line. */
function interned({ job, role, worker, level }: Readonly<Record<LogLabel, string | undefined>>): LogLabels {
  const key = `${job}\n${role}\n${worker}\n${level}`;
  const known = knownLabels.get(key);
  if (known !== undefined) return known;
  const present = Object.entries({ job, role, worker, level }).filter(([, value]) => value !== undefined);
  const labels = Object.freeze(Object.fromEntries(present)) as LogLabels;
  if (knownLabels.size >= MOST_KNOWN_LABELS) knownLabels.clear();
  knownLabels.set(key, labels);
  return labels;
}

/**
 * The time of a line in nanoseconds, different for each line of a job and rising in its order within a millisecond: clients of Loki take
 * two lines of the same time and text for one. A line that was pushed with a time of its own keeps that.
 */
export function nanosecondsOf({ timeMs, ordinal, text }: LogLine): bigint {
  const own = text.startsWith(PUSHED) ? parseFields(text)?.['ns'] : undefined;
  if (typeof own === 'string') return BigInt(own);
  return BigInt(timeMs) * 1_000_000n + BigInt(ordinal % 1_000_000);
}

/** The text of a line as its client pushed it, or the line itself. */
export function shownText(text: string): string {
  const raw = text.startsWith(PUSHED) ? parseFields(text)?.['raw'] : undefined;
  return typeof raw === 'string' ? raw : text;
}

/** How a line begins that came in over Loki's push API, see {@link pushedLine}. */
const PUSHED = '{"ns":"';

/** A line that a client pushed, as it is stored. `fields` are the labels of its stream. */
export function pushedLine(ns: bigint, raw: string, fields: Readonly<Record<string, string>>): string {
  const time = new Date(Number(ns / 1_000_000n)).toISOString();
  const { level = 'info', role = 'push', ...others } = fields;
  return JSON.stringify({ ns: String(ns), level, time, role, ...others, msg: raw.slice(0, 200), raw });
}
