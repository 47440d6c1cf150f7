import { MaestroError } from '@maestro/protocol';
import { compileRe2 } from '../../stream/linePattern.ts';
import type { Entry } from '../entry.ts';

/**
 * Compiles `| regexp "(?P<name>...)"`: the named groups of the first match become labels.
 * @throws MaestroError `invalid-argument` without a named group.
 */
export function compileRegexp(pattern: string): (entry: Entry) => void {
  const re2 = compileRe2(pattern);
  if (!/\(\?P?</.test(pattern))
    throw new MaestroError('invalid-argument', 'invalid regexp parser: at least one named capture must be supplied');
  return (entry) => {
    const matcher = re2.matcher(entry.text);
    if (!matcher.find()) return;
    for (const [name, value] of Object.entries(matcher.getNamedGroups())) entry.found(name, value ?? '');
  };
}
