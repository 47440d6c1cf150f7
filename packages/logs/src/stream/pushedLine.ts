import type { LogLine } from './logLine.ts';
import { parseFields } from './parseFields.ts';

/** Beginning of a line that came in over Loki's push API. */
const PUSHED = '{"ns":"';
/** Maximum length of a stored line, in characters: the longest that a line buffer does not truncate, including the newline. */
const LONGEST_STORED = 64 * 1024 - 1;
/** Characters of a pushed line shown as its message to readers of the file. */
const MESSAGE_LENGTH = 200;

/** A line as pushed by its client. */
export interface Pushed {
  /** Nanoseconds since 1970. */
  readonly ns: bigint;
  readonly text: string;
  /** The labels of its stream. */
  readonly labels: ReadonlyMap<string, string>;
  /** Structured metadata in Loki's terms: labels of this line only. */
  readonly metadata: ReadonlyMap<string, string>;
}

/** Encodes a pushed line for storage. A text that is too long is truncated, and `cutCharacters` gives its length. */
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

/** Returns the longest prefix of a text that takes at most `room` characters as JSON, without its quotes. */
function cutToFit(text: string, room: number): string {
  const fits = (length: number): boolean => JSON.stringify(text.slice(0, length)).length - 2 <= room;
  let [low, high] = [0, Math.min(text.length, Math.max(0, room))];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (fits(middle)) low = middle;
    else high = middle - 1;
  }
  // Half of a surrogate pair is not a character.
  return /[\uD800-\uDBFF]$/.test(text.slice(0, low)) ? text.slice(0, low - 1) : text.slice(0, low);
}

const parsed = new WeakMap<LogLine, Pushed>();

/** Decodes the pushed line in a stored one; `undefined` for a line of our own. */
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

/** Returns the fields of a stored line that was pushed; `undefined` for any other, including one that only begins the same. */
export function pushedFields(
  text: string,
): { readonly ns: string; readonly raw: string; labels?: unknown; metadata?: unknown } | undefined {
  const { ns, raw, labels, metadata } = (text.startsWith(PUSHED) ? parseFields(text) : undefined) ?? {};
  return typeof ns === 'string' && /^\d{1,19}$/.test(ns) && typeof raw === 'string' ? { ns, raw, labels, metadata } : undefined;
}

/** Returns the string fields of an object as a map. */
export function asMap(value: unknown): ReadonlyMap<string, string> {
  if (typeof value !== 'object' || value === null) return new Map();
  return new Map(Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string'));
}

/**
 * Returns the time of a line in nanoseconds, distinct for each line of a job and increasing within a millisecond: clients of Loki treat two
 * lines of the same time and text as one. A line pushed with its own time keeps that.
 */
export function nanosecondsOf(line: LogLine): bigint {
  return readPushed(line)?.ns ?? BigInt(line.timeMs) * 1_000_000n + BigInt(line.ordinal % 1_000_000);
}

/** Returns the text of a line as pushed by its client, or the line itself. */
export function shownText(line: LogLine): string {
  return readPushed(line)?.text ?? line.text;
}
