const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 7 * 86_400_000,
  y: 365 * 86_400_000,
};

const PART = /(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h|d|w|y)/y;

/** A duration such as `5m`, `1h30m` or `1.5s` in milliseconds; `undefined` when it is none. */
export function parseDuration(text: string): number | undefined {
  let milliseconds = 0;
  let at = 0;
  while (at < text.length) {
    PART.lastIndex = at;
    const part = PART.exec(text);
    if (part === null) return undefined;
    milliseconds += Number(part[1]) * UNIT_MS[part[2]!]!;
    at = PART.lastIndex;
  }
  return at === 0 ? undefined : milliseconds;
}
