import { parseFields, scalars } from './parseFields.ts';

/** Maximum length of a line sent, in characters; a longer one is truncated. */
const LONGEST_LINE = 64 * 1024;
/** Characters kept of a truncated line. */
const KEPT_OF_LONG = 2000;

/** A bounded queue of a process's lines. Lines that do not fit are counted, and reported in one line when there is room again. */
export interface LineBuffer {
  /** Adds a line with its newline, or counts it as dropped. Never blocks. */
  push(line: string): void;
  /** Removes lines, oldest first, up to this many characters but at least one line. */
  take(mostCharacters: number): string[];
  readonly isEmpty: boolean;
  /** Dropped lines not reported yet, and in total. */
  readonly dropped: number;
  readonly droppedEver: number;
}

/** Creates a buffer of at most `mostCharacters` characters. */
export function createLineBuffer(mostCharacters: number): LineBuffer {
  let lines: string[] = [];
  /** Start of the queue in `lines`: shifting an array of many thousands is slow. */
  let head = 0;
  let characters = 0;
  let dropped = 0;
  let droppedEver = 0;
  let firstDropped = '';

  const add = (line: string): void => {
    lines.push(line);
    characters += line.length;
  };

  return {
    push(line) {
      if (characters + line.length > mostCharacters) {
        if (dropped++ === 0) firstDropped = line;
        droppedEver++;
        return;
      }
      // The notice takes the place of the missing lines.
      if (dropped > 0) {
        add(notice(firstDropped, dropped));
        dropped = 0;
      }
      add(line.length > LONGEST_LINE ? cut(line) : line);
    },
    take(most) {
      const from = head;
      let taken = 0;
      while (head < lines.length && (head === from || taken + lines[head]!.length <= most)) taken += lines[head++]!.length;
      const result = lines.slice(from, head);
      characters -= taken;
      if (head === lines.length) {
        lines = [];
        head = 0;
      } else if (head > 10_000) {
        lines = lines.slice(head);
        head = 0;
      }
      if (dropped > 0 && characters < mostCharacters / 2) {
        add(notice(firstDropped, dropped));
        dropped = 0;
      }
      return result;
    },
    get isEmpty() {
      return head === lines.length;
    },
    get dropped() {
      return dropped;
    },
    get droppedEver() {
      return droppedEver;
    },
  };
}

/** Returns the fields of a line that tell its origin. */
function origin(line: string): Record<string, unknown> {
  const { time, pid, role, worker, job, generation } = parseFields(line) ?? {};
  return { time: new Date().toISOString(), ...scalars({ time, pid, role, worker, job, generation }) };
}

function notice(first: string, lines: number): string {
  return `${JSON.stringify({ level: 'warn', ...origin(first), lines, msg: 'log lines dropped' })}\n`;
}

function cut(line: string): string {
  const { level, msg } = parseFields(line) ?? {};
  const text = typeof msg === 'string' ? msg.slice(0, KEPT_OF_LONG) : '';
  const kept = {
    level: 'info',
    ...scalars({ level }),
    ...origin(line),
    cutCharacters: line.length,
    cutLine: line.slice(0, KEPT_OF_LONG),
    msg: text,
  };
  return `${JSON.stringify(kept)}\n`;
}
