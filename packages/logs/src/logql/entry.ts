import type { QueryLabels } from '../stream/labels.ts';

/** Labels that hold the kind of an error in a stage, and its message. */
export const ERROR = '__error__';
export const ERROR_DETAILS = '__error_details__';

/** A line passing through a pipeline: its text and labels, which stages change. */
export interface Entry {
  text: string;
  /** Nanoseconds since 1970. */
  readonly ns: bigint;
  /** All labels, including those of errors. */
  readonly labels: QueryLabels;
  get(name: string): string;
  has(name: string): boolean;
  /** Sets a label created by a stage; an empty value removes it. */
  set(name: string, value: string): void;
  /**
   * Sets a label that a parser found in the line. The first parser to find it wins. When the stream has a label of that name, this one is
   * called `<name>_extracted`, unless both are equal.
   */
  found(name: string, value: string): void;
  delete(name: string): void;
  /** Records an error; the line stays. With `isWeak`, an earlier error is kept. */
  fail(kind: string, details: string, isWeak?: boolean): void;
}

/** Opens a line as it was written. Labels are copied on the first change. */
export function openEntry(text: string, ns: bigint, stream: QueryLabels): Entry {
  let labels = stream;
  let own: Map<string, string> | undefined;
  let extracted: Set<string> | undefined;
  const change = (): Map<string, string> => {
    own ??= new Map(stream);
    labels = own;
    return own;
  };
  return {
    text,
    ns,
    get labels() {
      return labels;
    },
    get: (name) => labels.get(name) ?? '',
    has: (name) => labels.has(name),
    set(name, value) {
      extracted ??= new Set();
      extracted.add(name);
      change().set(name, value);
    },
    found(name, value) {
      const inStream = stream.get(name);
      if (inStream === value) return;
      const label = inStream === undefined ? name : `${name}_extracted`;
      extracted ??= new Set();
      if (extracted.has(label)) return;
      extracted.add(label);
      change().set(label, value);
    },
    delete(name) {
      if (labels.has(name)) change().delete(name);
    },
    fail(kind, details, isWeak = false) {
      if (isWeak && labels.has(ERROR)) return;
      change().set(ERROR, kind).set(ERROR_DETAILS, details);
    },
  };
}

/** Converts a key to a valid label name: other characters become `_`, and a leading digit is prefixed with one. */
export function labelName(key: string): string {
  return key
    .trim()
    .replace(/[^A-Za-z0-9_]/gu, '_')
    .replace(/^(?=\d)/, '_');
}
