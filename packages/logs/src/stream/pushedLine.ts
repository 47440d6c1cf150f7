import type { LogLine } from './logLine.ts';
import { parseFields } from './parseFields.ts';

/** How a line begins that came in over Loki's push API. */
const PUSHED = '{"ns":"';
/** Longest line that is stored, in characters: what a line buffer takes without cutting, its newline included. */
const LONGEST_STORED = 64 * 1024 - 1;
/** Characters of a pushed line that are its message for those who read the file. */
const MESSAGE_LENGTH = 200;

/** A line as its client pushed it. */
export interface Pushed {
  /** Nanoseconds since 1970. */
  readonly ns: bigint;
  readonly text: string;
  /** The labels of its stream. */
  readonly labels: ReadonlyMap<string, string>;
  /** What Loki calls structured metadata: labels of this line alone. */
  readonly metadata: ReadonlyMap<string, string>;
}

/** A pushed line as it is stored. A text that is too long is cut, and `cutCharacters` tells how long it was. */
export function storePushed({ ns, text, labels, metadata }: Pushed): string {
  const fields = {
    ns: String(ns),
    level: labels.get('level') ?? 'info',
    time: new Date(Number(ns / 1_000_000n)).toISOString(),
    role: labels.get('role') ?? 'push',
    worker: labels.get('worker'),
    job: labels.get('job'),
    labels: labels.size === 0 ? undefined : Object.fromEntries(labels),
    metadata: metadata.size === 0 ? undefined : Object.fromEntries(metadata),
    msg: text.slice(0, MESSAGE_LENGTH),
  };
  const whole = JSON.stringify({ ...fields, raw: text });
  if (whole.length <= LONGEST_STORED) return whole;
  const cutFields = { ...fields, cutCharacters: text.length };
  const room = LONGEST_STORED - JSON.stringify({ ...cutFields, raw: '' }).length;
  return JSON.stringify({ ...cutFields, raw: cutToFit(text, room) });
}

/** The longest beginning of a text that has at most `room` characters as JSON, without its quotes. */
function cutToFit(text: string, room: number): string {
  const fits = (length: number): boolean => JSON.stringify(text.slice(0, length)).length - 2 <= room;
  let [low, high] = [0, Math.min(text.length, Math.max(0, room))];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (fits(middle)) low = middle;
    else high = middle - 1;
  }
  // Half of a surrogate pair is no character.
  return /[\uD800-\uDBFF]$/.test(text.slice(0, low)) ? text.slice(0, low - 1) : text.slice(0, low);
}

const parsed = new WeakMap<LogLine, Pushed>();

/** The pushed line that a stored one holds; `undefined` for a line of our own. */
export function readPushed(line: LogLine): Pushed | undefined {
  if (!line.text.startsWith(PUSHED)) return undefined;
  let pushed = parsed.get(line);
  if (pushed === undefined) {
    const fields = pushedFields(line.text);
    if (fields === undefined) return undefined;
    pushed = { ns: BigInt(fields.ns), text: fields.raw, labels: asMap(fields.labels), metadata: asMap(fields.metadata) };
    parsed.set(line, pushed);
  }
  return pushed;
}

/** The fields of a stored line that was pushed; `undefined` for any other, those included that only begin like one. */
export function pushedFields(
  text: string,
): { readonly ns: string; readonly raw: string; labels?: unknown; metadata?: unknown } | undefined {
  const { ns, raw, labels, metadata } = (text.startsWith(PUSHED) ? parseFields(text) : undefined) ?? {};
  return typeof ns === 'string' && /^\d{1,19}$/.test(ns) && typeof raw === 'string' ? { ns, raw, labels, metadata } : undefined;
}

/** The texts of an object as a map. */
export function asMap(value: unknown): ReadonlyMap<string, string> {
  if (typeof value !== 'object' || value === null) return new Map();
  return new Map(Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string'));
}

/**
 * The time of a line in nanoseconds, different for each line of a job and rising in its order within a millisecond: clients of Loki take
 * two lines of the same time and text for one. A line that was pushed with a time of its own keeps that.
 */
export function nanosecondsOf(line: LogLine): bigint {
  return readPushed(line)?.ns ?? BigInt(line.timeMs) * 1_000_000n + BigInt(line.ordinal % 1_000_000);
}

/** The text of a line as its client pushed it, or the line itself. */
export function shownText(line: LogLine): string {
  return readPushed(line)?.text ?? line.text;
}
