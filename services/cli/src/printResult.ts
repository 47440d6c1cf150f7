/**
 * What must not reach a terminal from names, paths and messages that others chose: control characters, which move the cursor, set the title
 * or begin a line of their own, and marks that change the order in which text is shown (Unicode TR 36, 3.7).
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is to be taken out
const HARMFUL = /[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

/** Text as one line without effects on a terminal: a line feed is shown as `\n`, a tab as a blank, others as `?`. */
export function printable(text: string): string {
  return text.replace(HARMFUL, (character) => (character === '\n' ? '\\n' : character === '\t' ? ' ' : '?'));
}

/** Like {@link printable}, for text that may have lines, such as an error with an excerpt. */
export function printableLines(text: string): string {
  return text.split('\n').map(printable).join('\n');
}

/** A value with each string in it, names of fields too, made {@link printable}: what is shown to people is formatted from this. */
export function forTerminal<T>(value: T): T {
  if (typeof value === 'string') return printable(value) as T;
  if (Array.isArray(value)) return value.map(forTerminal) as T;
  if (typeof value !== 'object' || value === null || value instanceof Date) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [printable(name), forTerminal(inner)])) as T;
}

/** Prints the result of a command: with `--json` exactly as it is, else as `describe` puts it for people, who see it in a terminal. */
export function printResult<T>(json: boolean | undefined, value: T, describe: (value: T) => string): void {
  process.stdout.write(`${json === true ? JSON.stringify(value) : describe(forTerminal(value))}\n`);
}
