import { printable } from '@maestro/protocol';

export { printable };

/** Like {@link printable}, for multi-line text, such as an error with an excerpt. */
export function printableLines(text: string): string {
  return text.split('\n').map(printable).join('\n');
}

/** Makes each string in a value {@link printable}, including names of fields: output for people is formatted from this. */
export function forTerminal<T>(value: T): T {
  if (typeof value === 'string') return printable(value) as T;
  if (Array.isArray(value)) return value.map(forTerminal) as T;
  if (typeof value !== 'object' || value === null || value instanceof Date) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [printable(name), forTerminal(inner)])) as T;
}

/** Prints the result of a command: with `--json` unchanged, otherwise as `describe` formats it for people. */
export function printResult<T>(json: boolean | undefined, value: T, describe: (value: T) => string): void {
  process.stdout.write(`${json === true ? JSON.stringify(value) : describe(forTerminal(value))}\n`);
}
