/** A JSON value that is not an object: its text as it stands, a string without quotes and escapes. */
export type JsonScalar = { readonly type: 'string' | 'number' | 'boolean' | 'null' | 'array'; readonly text: string };

/** Called with a value and the keys of its path, which are reused afterwards. */
export type FieldListener = (path: readonly string[], value: JsonScalar) => void;

const NUMBER = /^-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?$/;
const [QUOTE, BACKSLASH, COMMA, COLON, OPEN, CLOSE, OPEN_LIST, CLOSE_LIST] = [...'"\\,:{}[]'].map((text) => text.charCodeAt(0)) as number[];

/**
 * Visits the fields of a JSON object in order, as far as it is valid: a truncated line still has its first fields. Numbers keep their
 * digits, which parsing to a double would lose. Not recursive: a line may be nested as deep as it is long.
 *
 * @returns the error; `undefined` when there is none.
 */
export function scanJson(text: string, listener: FieldListener): string | undefined {
  let at = 0;
  const path: string[] = [];
  const wrong = (wanted: string): string => `${wanted} expected at character ${at}`;
  skipSpace();
  if (text.charCodeAt(at) !== OPEN) return 'Value is not an object';
  at++;
  let isFirst = true;
  /** Fields of a nested object, which count only once it is complete. */
  let inner: [string[], JsonScalar][] = [];
  // `path` has a key for each open object but the outermost.
  for (let depth = 1; depth > 0; ) {
    skipSpace();
    if (text.charCodeAt(at) === CLOSE) {
      at++;
      depth--;
      path.pop();
      isFirst = false;
      if (depth === 1) {
        for (const field of inner) listener(...field);
        inner = [];
      }
      continue;
    }
    if (!isFirst) {
      if (text.charCodeAt(at) !== COMMA) return wrong(', or }');
      at++;
      skipSpace();
    }
    isFirst = false;
    const key = takeString();
    if (key === undefined) return wrong('a key');
    skipSpace();
    if (text.charCodeAt(at) !== COLON) return wrong(':');
    at++;
    skipSpace();
    path.push(key);
    const code = text.charCodeAt(at);
    if (code === OPEN) {
      at++;
      depth++;
      isFirst = true;
      continue;
    }
    const value = code === OPEN_LIST ? takeArray() : takeScalar();
    if (value === undefined) return wrong('a value');
    if (depth === 1) listener(path, value);
    else inner.push([[...path], value]);
    path.pop();
  }
  skipSpace();
  return at < text.length ? wrong('the end') : undefined;

  function skipSpace(): void {
    for (;;) {
      const code = text.charCodeAt(at);
      if (code !== 32 && code !== 9 && code !== 10 && code !== 13) return;
      at++;
    }
  }

  /** Skips a string; `undefined` when there is none, or it has no end. */
  function takeString(): string | undefined {
    if (text.charCodeAt(at) !== QUOTE) return undefined;
    let isEscaped = false;
    for (let end = at + 1; end < text.length; end++) {
      const code = text.charCodeAt(end);
      if (code === BACKSLASH) {
        isEscaped = true;
        end++;
      } else if (code === QUOTE) {
        const from = at;
        at = end + 1;
        return isEscaped ? unquote(text.slice(from, at)) : text.slice(from + 1, end);
      }
    }
    return undefined;
  }

  function takeScalar(): JsonScalar | undefined {
    const string = takeString();
    if (string !== undefined) return { type: 'string', text: string };
    let end = at;
    // Digits, signs, dots and letters.
    for (let code = text.charCodeAt(end); code > 42 && code !== COMMA && code !== CLOSE && code !== CLOSE_LIST; code = text.charCodeAt(end))
      end++;
    const word = text.slice(at, end);
    const type = word === 'true' || word === 'false' ? 'boolean' : word === 'null' ? 'null' : NUMBER.test(word) ? 'number' : undefined;
    if (type === undefined) return undefined;
    at = end;
    return { type, text: word };
  }

  /** Returns an array verbatim. Only brackets and strings are examined. */
  function takeArray(): JsonScalar | undefined {
    const from = at;
    let open = 0;
    do {
      if (at >= text.length) return undefined;
      const code = text.charCodeAt(at);
      if (code === QUOTE) {
        if (takeString() === undefined) return undefined;
        continue;
      }
      if (code === OPEN_LIST || code === OPEN) open++;
      if (code === CLOSE_LIST || code === CLOSE) open--;
      at++;
    } while (open > 0);
    return { type: 'array', text: text.slice(from, at) };
  }
}

function unquote(quoted: string): string {
  try {
    return JSON.parse(quoted) as string;
  } catch {
    return '';
  }
}
