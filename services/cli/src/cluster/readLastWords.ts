import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

/** Bytes read from the end of a log. */
const MOST_BYTES = 64 * 1024;
const MOST_CHARACTERS = 500;

/**
 * Returns why a process of ours failed, from its log since byte `from`: the error of its last fatal line, or else the last line that is not
 * a log line, such as one of Node or of a library. Undefined when there is neither.
 */
export function readLastWords(logFile: string, from: number): string | undefined {
  try {
    const file = openSync(logFile, 'r');
    try {
      const { size } = fstatSync(file);
      const first = Math.max(from, size - MOST_BYTES);
      const bytes = Buffer.alloc(Math.max(0, size - first));
      readSync(file, bytes, 0, bytes.length, first);
      return lastWords(bytes.toString('utf8'));
    } finally {
      closeSync(file);
    }
  } catch {
    return undefined; // A full disk, or a log that somebody removed: the exit code remains.
  }
}

/** Finds the error in a log's end; exported for tests. */
export function lastWords(text: string): string | undefined {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  const fatal = lines.findLast((line) => line.startsWith('{"level":"fatal"'));
  const words = (fatal && messageOf(fatal)) ?? lines.findLast(isError) ?? lines.findLast((line) => !line.startsWith('{'));
  return words?.trim().slice(0, MOST_CHARACTERS);
}

/** Matches the first line of an error by Node or its engine; a stack and the version follow. */
function isError(line: string): boolean {
  return /^(?:\w*Error(?: \[\w+\])?: |FATAL ERROR: )/.test(line);
}

function messageOf(line: string): string | undefined {
  try {
    const { error, msg } = JSON.parse(line) as { readonly error?: { readonly message?: unknown }; readonly msg?: unknown };
    const message = error?.message ?? msg;
    return typeof message === 'string' ? message : undefined;
  } catch {
    return undefined;
  }
}
