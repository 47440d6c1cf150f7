import { MaestroError } from '../errors.ts';

/** Limits nested brackets and braces: no job file and no request has more than ten levels. */
const MOST_LEVELS = 64;

/**
 * Refuses JSON or YAML that is nested too deeply, before any recursive parser reads it.
 * @throws MaestroError `invalid-argument`; `what` names the text.
 */
export function requireShallow(text: string, what: string): void {
  let levels = 0;
  for (let i = 0; i < text.length; i++) {
    const character = text[i];
    if (character === '"') i = endOfString(text, i);
    else if (character === '[' || character === '{') levels++;
    else if (character === ']' || character === '}') levels = Math.max(0, levels - 1);
    if (levels > MOST_LEVELS)
      throw new MaestroError('invalid-argument', `${what}: nested more than ${MOST_LEVELS} levels deep, at character ${i + 1}`);
  }
}

function endOfString(text: string, from: number): number {
  for (let i = from + 1; i < text.length; i++) {
    if (text[i] === '\\') i++;
    else if (text[i] === '"') return i;
  }
  return from; // not a string: an inch mark in YAML
}
