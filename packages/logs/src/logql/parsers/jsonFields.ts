/** A value in a JSON text that is no object: its text as it stands, a string without quotes and escapes. */
export type JsonScalar = { readonly type: 'string' | 'number' | 'boolean' | 'null' | 'array'; readonly text: string };

/** Told of a value and the keys on the way to it. Returning true ends the scan. */
export type FieldListener = (path: readonly string[], value: JsonScalar) => void;

const SPACE = /[ \t\n\r]*/y;
const STRING = /"(?:[^"\\]|\\.)*"/sy;
const NUMBER = /-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?/y;
const WORD = /true|false|null/y;

/**
 * Goes through the fields of a JSON object in their order, as far as it is one: a line that was cut still has its first fields. Numbers keep
 * their digits, which a parse to a double would lose. Not recursive: a line may be nested as deep as it is long.
 *
 * @returns what is wrong, `undefined` when nothing is.
 */
export function scanJson(text: string, listener: FieldListener): string | undefined {
  let at = 0;
  const take = (expression: RegExp): string | undefined => {
    expression.lastIndex = at;
    const found = expression.exec(text)?.[0];
    if (found !== undefined) at += found.length;
    return found;
  };
  const wrong = (wanted: string): string => `${wanted} expected at character ${at}`;
  const path: string[] = [];
  take(SPACE);
  if (text[at] !== '{') return 'Value is not an object';
  at++;
  let isFirst = true;
  // `path` has a key for each open object but the outermost.
  for (let depth = 1; depth > 0; ) {
    take(SPACE);
    if (text[at] === '}') {
      at++;
      depth--;
      path.pop();
      isFirst = false;
      continue;
    }
    if (!isFirst) {
      if (text[at] !== ',') return wrong(', or }');
      at++;
      take(SPACE);
    }
    isFirst = false;
    const key = take(STRING);
    if (key === undefined) return wrong('a key');
    take(SPACE);
    if (text[at] !== ':') return wrong(':');
    at++;
    take(SPACE);
    path.push(unquote(key));
    if (text[at] === '{') {
      at++;
      depth++;
      isFirst = true;
      continue;
    }
    const value = text[at] === '[' ? takeArray() : takeScalar();
    if (value === undefined) return wrong('a value');
    listener(path, value);
    path.pop();
  }
  take(SPACE);
  return at < text.length ? wrong('the end') : undefined;

  function takeScalar(): JsonScalar | undefined {
    const string = take(STRING);
    if (string !== undefined) return { type: 'string', text: unquote(string) };
    const number = take(NUMBER);
    if (number !== undefined) return { type: 'number', text: number };
    const word = take(WORD);
    return word === undefined ? undefined : { type: word === 'null' ? 'null' : 'boolean', text: word };
  }

  /** An array as it stands. Only brackets and strings are looked at. */
  function takeArray(): JsonScalar | undefined {
    const from = at;
    let open = 0;
    do {
      if (at >= text.length) return undefined;
      const character = text[at]!;
      if (character === '"') {
        if (take(STRING) === undefined) return undefined;
        continue;
      }
      if (character === '[' || character === '{') open++;
      if (character === ']' || character === '}') open--;
      at++;
    } while (open > 0);
    return { type: 'array', text: text.slice(from, at) };
  }
}

function unquote(quoted: string): string {
  if (!quoted.includes('\\')) return quoted.slice(1, -1);
  try {
    return JSON.parse(quoted) as string;
  } catch {
    return '';
  }
}
