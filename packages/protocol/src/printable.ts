/**
 * Characters that must not reach a terminal or a page from names, paths and messages chosen by others: control characters, which move the
 * cursor, set the title or begin a new line, and marks that change the order in which text is shown (Unicode TR 36, 3.7).
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is to be taken out
const HARMFUL = /[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

/** Formats text as one line without effects on a terminal: a line feed is shown as `\n`, a tab as a space, others as `?`. */
export function printable(text: string): string {
  return text.replace(HARMFUL, (character) => (character === '\n' ? '\\n' : character === '\t' ? ' ' : '?'));
}
