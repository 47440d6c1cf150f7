import { LOG_LEVELS } from '@maestro/telemetry';
import type { LogLabels } from './labels.ts';
import { CLUSTER, type NewLine } from './logLine.ts';
import { parseFields, scalars } from './parseFields.ts';
import { asMap, pushedFields } from './pushedLine.ts';

/** What the id of a job looks like; a line that claims another one belongs to the cluster, since ids name folders. */
const JOB_ID = /^job-[0-9a-z-]{1,60}$/;
/** Longest value of a label; more is cut. */
const MAX_LABEL_LENGTH = 100;
const LEVELS: ReadonlySet<string> = new Set(LOG_LEVELS);

/**
 * Reads a line of a process. What is no JSON object becomes one with the text as its message; a line without time is given `nowMs`, one
 * without level `info`.
 */
export function parseLine(line: string, nowMs: number): NewLine {
  const text = line.trim();
  const fields = parseFields(text);
  if (fields === undefined) {
    const wrapped = JSON.stringify({ level: 'info', time: new Date(nowMs).toISOString(), msg: text });
    return { job: CLUSTER, timeMs: nowMs, labels: { level: 'info' }, text: wrapped };
  }
  const timeMs = typeof fields['time'] === 'string' ? Date.parse(fields['time']) : Number.NaN;
  const job = typeof fields['job'] === 'string' ? folderOf({ job: fields['job'] }) : CLUSTER;
  const pushed = pushedFields(text);
  const labels = pushed === undefined ? labelsOf(fields, job) : pushedLabels(asMap(pushed.labels));
  if (Number.isFinite(timeMs) && fields['level'] !== undefined) return { job, timeMs, labels, text };
  const time = Number.isFinite(timeMs) ? timeMs : nowMs;
  return { job, timeMs: time, labels, text: completed(fields, text, { level: labels.level, time: new Date(time).toISOString() }) };
}

/** The line with what it lacked. One that is nested too deep to be written anew keeps its text, as a message. */
function completed(fields: Readonly<Record<string, unknown>>, text: string, lacked: Readonly<Record<string, unknown>>): string {
  try {
    return JSON.stringify({ ...fields, ...lacked });
  } catch {
    const { job, role, worker } = fields;
    return JSON.stringify({ ...scalars({ role, worker, job }), ...lacked, msg: text });
  }
}

/** The job whose files have a line with these labels, or {@link CLUSTER}: a pushed line may have any text as its label `job`. */
export function folderOf({ job }: LogLabels): string {
  return job !== undefined && JOB_ID.test(job) ? job : CLUSTER;
}

function labelsOf(fields: Readonly<Record<string, unknown>>, job: string): LogLabels {
  const { role, worker, level } = fields;
  const text = (value: unknown): string | undefined =>
    typeof value === 'string' && value !== '' ? value.slice(0, MAX_LABEL_LENGTH) : undefined;
  const known = text(level);
  return interned([
    ['job', job === CLUSTER ? undefined : job],
    ['role', text(role)],
    ['worker', text(worker)],
    ['level', known !== undefined && LEVELS.has(known) ? known : 'info'],
  ]);
}

/** A pushed line keeps the labels of its stream as they are. */
function pushedLabels(labels: ReadonlyMap<string, string>): LogLabels {
  return interned([...new Map([['role', 'push'], ['level', 'info'], ...labels])]);
}

/** Label sets that are remembered; they are few, unless somebody makes them up. */
const MOST_KNOWN_LABELS = 10_000;
const knownLabels = new Map<string, LogLabels>();

/** Equal labels are one object, so that what is derived from them need not be derived for each line. */
function interned(entries: readonly (readonly [name: string, value: string | undefined])[]): LogLabels {
  const present = entries.filter(([, value]) => value !== undefined && value !== '');
  const key = JSON.stringify(present);
  const known = knownLabels.get(key);
  if (known !== undefined) return known;
  const labels = Object.freeze(Object.fromEntries(present)) as LogLabels;
  if (knownLabels.size >= MOST_KNOWN_LABELS) knownLabels.clear();
  knownLabels.set(key, labels);
  return labels;
}
