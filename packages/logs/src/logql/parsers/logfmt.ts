import type { Extraction } from '../ast.ts';
import { type Entry, labelName } from '../entry.ts';

// Characters up to the space separate; keys and values contain none of them, nor " and =.
const KEY = /[!#-<>-\uFFFF]+/y;
const BARE = /[!#-<>-\uFFFF]*/y;
const QUOTED = /"(?:[^"\\]|\\.)*"/sy;
const SPACE = /[^!-\uFFFF]+/y;
const REST = /[!-\uFFFF]*/y;

/** A pair of a logfmt line; `mistake` instead of a value when it is invalid. */
export type LogfmtPair = { readonly key: string; readonly value: string } | { readonly mistake: string };

/** Yields the pairs of a line such as `level=info msg="a b" ok`, in order. A key without a value has an empty one. */
function* scanLogfmt(text: string): Generator<LogfmtPair> {
  let at = 0;
  const take = (expression: RegExp): string => {
    expression.lastIndex = at;
    const found = expression.exec(text)?.[0] ?? '';
    at += found.length;
    return found;
  };
  const mistake = (what: string): LogfmtPair => {
    const position = at + 1;
    take(REST);
    return { mistake: `logfmt syntax error at pos ${position} : ${what}` };
  };
  for (;;) {
    take(SPACE);
    if (at >= text.length) return;
    const key = take(KEY);
    if (text[at] === '"' || (key === '' && text[at] === '=')) {
      yield mistake(`unexpected '${text[at]}'`);
    } else if (text[at] !== '=') {
      yield { key, value: '' };
    } else {
      at++;
      yield takeValue(key);
    }
  }

  function takeValue(key: string): LogfmtPair {
    if (text[at] === '"') {
      const quoted = take(QUOTED);
      if (quoted === '') {
        at = text.length;
        return mistake('unterminated quoted value');
      }
      const value = unquote(quoted);
      return value === undefined ? mistake('invalid quoted value') : { key, value };
    }
    const value = take(BARE);
    return text[at] === '"' || text[at] === '=' ? mistake(`unexpected '${text[at]}'`) : { key, value };
  }
}

function unquote(quoted: string): string | undefined {
  if (!quoted.includes('\\')) return quoted.slice(1, -1);
  try {
    return JSON.parse(quoted.replace(/\t/g, '\\t').replace(/\n/g, '\\n').replaceAll("\\'", "'")) as string;
  } catch {
    return undefined;
  }
}

/** Compiles `| logfmt`, which extracts what it can from a line; with `isStrict` it stops at an error and reports it. */
export function compileLogfmt({
  isStrict,
  keepsEmpty,
  extractions,
}: {
  readonly isStrict: boolean;
  readonly keepsEmpty: boolean;
  readonly extractions: readonly Extraction[];
}): (entry: Entry) => void {
  /** The labels that each key becomes. */
  const wanted = new Map<string, string[]>();
  for (const { name, expression } of extractions) wanted.set(expression, [...(wanted.get(expression) ?? []), name]);
  return (entry) => {
    const values = new Map<string, string>();
    for (const pair of scanLogfmt(entry.text)) {
      if ('mistake' in pair) {
        if (!isStrict) continue;
        entry.fail('LogfmtParserErr', pair.mistake);
        break;
      }
      const name = labelName(pair.key);
      const value = pair.value.replaceAll('\uFFFD', ' ');
      if (name === '' || (value === '' && !keepsEmpty && extractions.length === 0)) continue;
      if (extractions.length === 0) entry.found(name, value);
      else values.set(name, value);
    }
    for (const [key, names] of wanted) for (const name of names) entry.found(name, values.get(labelName(key)) ?? '');
  };
}
