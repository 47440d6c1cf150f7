import type { Matcher } from './ast.ts';
import type { Tokens } from './tokens.ts';

/** Parses `{label="value", ...}`. */
export function parseMatchers(tokens: Tokens): Matcher[] {
  tokens.expect('{');
  const matchers: Matcher[] = [];
  while (!tokens.isNext('}')) {
    const name = tokens.expectName('a label name or }');
    const op = tokens.expectOneOf(['=', '!=', '=~', '!~'] as const);
    const { value, position } = tokens.expectString();
    matchers.push({ name, op, value, position });
    if (!tokens.take(',')) break;
  }
  tokens.expect('}');
  return matchers;
}
