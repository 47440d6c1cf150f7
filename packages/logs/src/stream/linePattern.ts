import { errorMessage, MaestroError } from '@maestro/protocol';
import { RE2JS } from 're2js';

/** Maximum length of a pattern, in characters: compilation cost is proportional to it. */
const MAX_PATTERN_LENGTH = 1000;

/** A pattern given by a user. */
export interface LinePattern {
  /** True when it is found anywhere in `text`. */
  isIn(text: string): boolean;
  /** True when it matches the whole of `text`. */
  isAll(text: string): boolean;
}

/** Number of compiled patterns kept: templates name theirs again for each line. */
const MOST_COMPILED = 100;
const compiled = new Map<string, RE2JS>();

/**
 * Compiles a pattern in RE2's syntax, the one of Loki and Grafana. Matching takes time proportional to the text whatever the pattern: one
 * short pattern can block JavaScript's own engine, and so the server, for years.
 *
 * @throws MaestroError `invalid-argument` that says what is wrong with it.
 */
export function compileRe2(pattern: string): RE2JS {
  const known = compiled.get(pattern);
  if (known !== undefined) return known;
  if (pattern.length > MAX_PATTERN_LENGTH) {
    throw new MaestroError('invalid-argument', `pattern: ${pattern.length} characters; the limit is ${MAX_PATTERN_LENGTH}`);
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
 * @throws MaestroError `invalid-argument` that says what is wrong with it.
 */
export function compilePattern(pattern: string): LinePattern {
  const re2 = compileRe2(pattern);
  return { isIn: (text) => re2.test(text), isAll: (text) => re2.testExact(text) };
}
