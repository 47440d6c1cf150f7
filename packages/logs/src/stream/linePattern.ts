import { errorMessage, MaestroError } from '@maestro/protocol';
import { RE2JS } from 're2js';

/** Longest pattern that is taken, in characters: compiling one costs in proportion to its length. */
export const MAX_PATTERN_LENGTH = 1000;

/** A pattern that people gave us. */
export interface LinePattern {
  /** Whether it is found anywhere in `text`. */
  isIn(text: string): boolean;
  /** Whether it is all of `text`. */
  isAll(text: string): boolean;
}

/** Patterns that are kept compiled: templates name theirs anew for each line. */
const MOST_COMPILED = 100;
const compiled = new Map<string, RE2JS>();

/**
 * Compiles a pattern in RE2's syntax, which is that of Loki and Grafana. Matching takes time in proportion to the text whatever the
 * pattern: JavaScript's own engine can be kept busy for years by one short pattern, and the server with it.
 *
 * @throws MaestroError `invalid-argument` with what is wrong with it.
 */
export function compileRe2(pattern: string): RE2JS {
  const known = compiled.get(pattern);
  if (known !== undefined) return known;
  if (pattern.length > MAX_PATTERN_LENGTH) {
    throw new MaestroError('invalid-argument', `pattern: ${pattern.length} characters; at most ${MAX_PATTERN_LENGTH} are taken`);
  }
  try {
    const made = RE2JS.compile(pattern);
    if (compiled.size >= MOST_COMPILED) compiled.clear();
    compiled.set(pattern, made);
    return made;
  } catch (cause) {
    const reason = errorMessage(cause).replace(/^error parsing regexp: /, '');
    throw new MaestroError('invalid-argument', `pattern ${JSON.stringify(pattern)}: ${reason}`, { cause });
  }
}

/**
 * Compiles a pattern, see {@link compileRe2}.
 * @throws MaestroError `invalid-argument` with what is wrong with it.
 */
export function compilePattern(pattern: string): LinePattern {
  const re2 = compileRe2(pattern);
  return { isIn: (text) => re2.test(text), isAll: (text) => re2.testExact(text) };
}
