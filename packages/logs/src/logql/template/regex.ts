import { compileRe2 } from '../../stream/linePattern.ts';

const REFERENCE = /\$(?:\$|\{(\w+)\}|(\w+))/g;

type Match = readonly (string | null)[] & { readonly index: number; readonly groups: ReadonlyMap<string, string> };

/** Yields all matches of a pattern in RE2's syntax. */
function* matches(pattern: string, text: string): Generator<Match> {
  const matcher = compileRe2(pattern).matcher(text);
  while (matcher.find()) {
    const found = Array.from({ length: matcher.groupCount() + 1 }, (_, i) => matcher.group(i));
    const groups = new Map(Object.entries(matcher.getNamedGroups()).map(([name, value]) => [name, value ?? '']));
    yield Object.assign(found, { index: matcher.start(), groups });
  }
}

/** Expands `$1`, `${1}` and `$name` of a replacement for a match, by Go's rules: a name extends as far as possible. */
export function expand(
  replacement: string,
  match: { readonly [index: number]: string | null; readonly groups: ReadonlyMap<string, string> },
): string {
  return replacement.replace(REFERENCE, (all, braced: string | undefined, plain: string | undefined) => {
    const name = braced ?? plain;
    if (name === undefined) return all === '$$' ? '$' : all;
    return (/^\d+$/.test(name) ? match[Number(name)] : match.groups.get(name)) ?? '';
  });
}

function replaceEach(pattern: string, text: string, by: (match: Match) => string, most: number): string {
  let [result, last] = ['', 0];
  for (const match of matches(pattern, text)) {
    result += text.slice(last, match.index) + by(match);
    last = match.index + (match[0]?.length ?? 0);
    if (result.length > most) throw new Error(`a text of more than ${most} characters`);
  }
  return result + text.slice(last);
}

/** Replaces all matches; `$1` and `${name}` stand for groups. */
export function replaceAll(pattern: string, text: string, replacement: string, most: number): string {
  return replaceEach(pattern, text, (match) => expand(replacement, match), most);
}

/** Replaces all matches by a literal text. */
export function replaceAllLiteral(pattern: string, text: string, replacement: string, most: number): string {
  return replaceEach(pattern, text, () => replacement, most);
}

/** Counts the matches of a pattern. */
export function countMatches(pattern: string, text: string): number {
  let count = 0;
  for (const _ of matches(pattern, text)) count++;
  return count;
}

/** Matches a pattern against the whole of a text; `undefined` when it does not match. */
export function matchAll(pattern: string, text: string): Match | undefined {
  const whole = `^(?:${pattern})$`;
  for (const match of matches(whole, text)) return match;
  return undefined;
}
