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

/**
 * Compiles a pattern in RE2's syntax, which is that of Loki and Grafana. Matching takes time in proportion to the text whatever the
 * pattern: JavaScript's own engine can be kept busy for years by one short pattern, and the server with it.
 *
 * @throws MaestroError `invalid-argument` with what is wrong with it.
 */
export function compilePattern(pattern: string): LinePattern {
  if (pattern.length > MAX_PATTERN_LENGTH) {
    throw new MaestroError('invalid-argument', `pattern: ${pattern.length} characters; at most ${MAX_PATTERN_LENGTH} are taken`);
  }
  try {
    const compiled = RE2JS.compile(pattern);
    return { isIn: (text) => compiled.test(text), isAll: (text) => compiled.testExact(text) };
  } catch (cause) {
    const reason = errorMessage(cause).replace(/^error parsing regexp: /, '');
    throw new MaestroError('invalid-argument', `pattern ${JSON.stringify(pattern)}: ${reason}`, { cause });
  }
}
