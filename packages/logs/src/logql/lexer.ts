import { parseDuration } from './duration.ts';
import { parseBytes } from './quantity.ts';
import { queryError } from './queryError.ts';

/** A token of a query. `value` is an identifier, an operator, the content of a string, a number, or a duration in milliseconds. */
export type Token =
  | { readonly type: 'name' | 'flag' | 'operator' | 'string'; readonly value: string; readonly position: number }
  | { readonly type: 'number' | 'duration' | 'bytes'; readonly value: number; readonly position: number }
  | { readonly type: 'end'; readonly value: ''; readonly position: number };

/** Maximum length of a query, in characters; the same as Loki's. */
const MAX_QUERY_LENGTH = 5120;

const SPACE = /(?:\s|#[^\n]*)+/y;
const NAME = /[A-Za-z_][A-Za-z0-9_]*/y;
const VARIABLE = /\$__(?:auto|interval|range)\b|\$\{__(?:interval|range)\}/y;
const QUANTITY = /(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?[A-Za-zµ0-9.]*/y;
const OPERATOR = /\|=|\|~|\|>|!=|!~|!>|=~|==|>=|<=|[={}()[\],|<>+\-*/%^!]/y;
const FLAG = /--[a-z-]+/y;
const QUOTED = /"(?:[^"\\\n]|\\.)*"/y;
const RAW = /`[^`]*`/y;
const ESCAPES: ReadonlyMap<string, string> = new Map(Object.entries({ n: '\n', t: '\t', r: '\r', a: '\x07', b: '\b', f: '\f', v: '\v' }));

/**
 * Splits a query into tokens, the last of which is `end`. Grafana's own variables (`$__auto`, `$__interval`, `$__range`) become names if
 * they get through.
 *
 * @throws MaestroError `invalid-argument` with the position.
 */
export function tokenize(query: string): Token[] {
  if (query.length > MAX_QUERY_LENGTH)
    throw queryError(query, 0, `the query has ${query.length} characters; the limit is ${MAX_QUERY_LENGTH}`);
  const tokens: Token[] = [];
  let at = 0;
  const take = (expression: RegExp): string | undefined => {
    expression.lastIndex = at;
    const found = expression.exec(query)?.[0];
    if (found !== undefined) at += found.length;
    return found;
  };
  for (;;) {
    take(SPACE);
    const position = at;
    if (at >= query.length) return [...tokens, { type: 'end', value: '', position }];
    const name = take(NAME) ?? take(VARIABLE)?.replace(/[{}]/g, '');
    if (name !== undefined) {
      tokens.push({ type: 'name', value: name, position });
      continue;
    }
    const flag = take(FLAG);
    if (flag !== undefined) {
      tokens.push({ type: 'flag', value: flag, position });
      continue;
    }
    const raw = take(RAW) ?? take(QUOTED);
    if (raw !== undefined) {
      tokens.push({ type: 'string', value: raw.startsWith('`') ? raw.slice(1, -1) : unquote(query, raw, position), position });
      continue;
    }
    const quantity = take(QUANTITY);
    if (quantity !== undefined) {
      tokens.push(readQuantity(query, quantity, position));
      continue;
    }
    const operator = take(OPERATOR);
    if (operator === undefined) {
      const isOpen = query[at] === '"' || query[at] === '`';
      throw queryError(query, at, isOpen ? 'unterminated string' : `unexpected character ${JSON.stringify(query[at])}`);
    }
    tokens.push({ type: 'operator', value: operator, position });
  }
}

function readQuantity(query: string, text: string, position: number): Token {
  const number = Number(text);
  if (!Number.isNaN(number)) return { type: 'number', value: number, position };
  const duration = parseDuration(text);
  if (duration !== undefined) return { type: 'duration', value: duration, position };
  const bytes = parseBytes(text);
  if (bytes === undefined) throw queryError(query, position, `${text} is not a number, duration (such as 5m) or size (such as 2KB)`);
  return { type: 'bytes', value: bytes, position };
}

/** Unquotes a string in double quotes, by the rules of Go that are in use. */
function unquote(query: string, quoted: string, position: number): string {
  return quoted.slice(1, -1).replace(/\\(u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|.)/g, (all, code: string, offset: number) => {
    if (code.length > 1) return String.fromCharCode(Number.parseInt(code.slice(1), 16));
    if (code === '\\' || code === '"' || code === "'") return code;
    const escaped = ESCAPES.get(code);
    if (escaped === undefined) throw queryError(query, position + 1 + offset, `unknown escape ${all}; write \\\\ for a backslash`);
    return escaped;
  });
}
