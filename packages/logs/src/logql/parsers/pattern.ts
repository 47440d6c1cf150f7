import { MaestroError } from '@maestro/protocol';

const CAPTURE = /<([A-Za-z_][A-Za-z0-9_]*)>/g;

/** A pattern such as `<ip> - <_> "<method> <path>"`: alternating texts and captures; an unnamed capture is `<_>`. */
export interface Pattern {
  /** Returns the names and values of a line's captures; the first missing text ends them, with the rest of the line as the last value. */
  capture(line: string): readonly (readonly [name: string, value: string])[];
  /** True when a whole line matches, with no capture empty. */
  isLike(line: string): boolean;
}

type Part = { readonly text: string } | { readonly name: string };

/**
 * Compiles a pattern of `| pattern`, or (`isFilter`) of the line filter `|>`, which has no named captures.
 * @throws MaestroError `invalid-argument` with Loki's wording.
 */
export function compileLinePattern(pattern: string, isFilter: boolean): Pattern {
  const parts = split(pattern);
  const names = parts.flatMap((part) => ('name' in part && part.name !== '_' ? [part.name] : []));
  const wrong = (message: string): MaestroError => new MaestroError('invalid-argument', message);
  if (isFilter && names.length > 0) throw wrong(`named captures are not allowed: found '<${names[0]}>'`);
  if (!isFilter && names.length === 0) throw wrong('at least one capture is required');
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw wrong(`duplicate capture name (${twice}): invalid expression`);
  parts.forEach((part, i) => {
    const next = parts[i + 1];
    if ('name' in part && next !== undefined && 'name' in next)
      throw wrong(`found consecutive capture '<${part.name}><${next.name}>': invalid expression`);
  });
  return { capture: (line) => capture(parts, line), isLike: (line) => isLike(parts, line) };
}

function split(pattern: string): Part[] {
  const parts: Part[] = [];
  let last = 0;
  for (const { 0: all, 1: name, index } of pattern.matchAll(CAPTURE)) {
    if (index > last) parts.push({ text: pattern.slice(last, index) });
    parts.push({ name: name! });
    last = index + all.length;
  }
  if (last < pattern.length) parts.push({ text: pattern.slice(last) });
  return parts;
}

function capture(parts: readonly Part[], line: string): [string, string][] {
  const found: [string, string][] = [];
  let at = 0;
  for (const [i, part] of parts.entries()) {
    if ('text' in part) {
      if (i > 0) continue; // Matched together with the capture before it.
      if (!line.startsWith(part.text)) return [];
      at = part.text.length;
      continue;
    }
    const next = parts[i + 1];
    const end = next !== undefined && 'text' in next ? line.indexOf(next.text, at) : -1;
    if (part.name !== '_') found.push([part.name, end < 0 ? line.slice(at) : line.slice(at, end)]);
    if (end < 0) return found;
    at = end + (next as { readonly text: string }).text.length;
  }
  return found;
}

function isLike(parts: readonly Part[], line: string): boolean {
  if (line === '' || parts.length === 0) return line === '' && parts.length === 0;
  let at = 0;
  for (const [i, part] of parts.entries()) {
    if (!('text' in part)) continue;
    const found = line.indexOf(part.text, at);
    if (found < 0 || (i > 0 && found === at)) return false;
    at = found + part.text.length;
  }
  return 'name' in parts.at(-1)! === at < line.length;
}
