import { LOG_LEVELS } from '@maestro/telemetry';
import type { LogLabels } from './labels.ts';
import { CLUSTER, type NewLine } from './logLine.ts';
import { parseFields, scalars } from './parseFields.ts';
import { asMap, pushedFields } from './pushedLine.ts';

/** Form of a job id; a line that claims another one belongs to the cluster, since ids name folders. */
const JOB_ID = /^job-[0-9a-z-]{1,60}$/;
/** Maximum length of a label's value; the rest is cut off. */
const MAX_LABEL_LENGTH = 100;
const LEVELS: ReadonlySet<string> = new Set(LOG_LEVELS);

/**
 * Parses a line of a process. Text that is not a JSON object becomes the message of one; a missing time becomes `nowMs`, a missing level
 * `info`.
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

/** Adds the missing fields to a line. One nested too deeply to be serialised keeps its text as a message. */
function completed(fields: Readonly<Record<string, unknown>>, text: string, lacked: Readonly<Record<string, unknown>>): string {
  try {
    return JSON.stringify({ ...fields, ...lacked });
  } catch {
    const { job, role, worker } = fields;
    return JSON.stringify({ ...scalars({ role, worker, job }), ...lacked, msg: text });
  }
}

/** Returns the job whose files hold a line with these labels, or {@link CLUSTER}: a pushed line may have any text as its label `job`. */
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

/** Limits remembered label sets; they are few, unless somebody makes them up. */
const MOST_KNOWN_LABELS = 10_000;
const knownLabels = new Map<string, LogLabels>();

/** Returns one object for equal labels, so that values derived from them are computed once and not per line. */
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
