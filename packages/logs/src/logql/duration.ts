const UNIT_MS: ReadonlyMap<string, number> = new Map([
  ['ns', 1e-6],
  ['us', 1e-3],
  ['µs', 1e-3],
  ['μs', 1e-3],
  ['ms', 1],
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
  ['w', 7 * 86_400_000],
  ['y', 365 * 86_400_000],
]);
const PART = /(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h|d|w|y)/y;

/** Parses a duration of a query such as `5m`, `1h30m`, `7d` or `1.5s` to milliseconds; `undefined` when it is not one. */
export function parseDuration(text: string): number | undefined {
  let milliseconds = 0;
  let at = 0;
  while (at < text.length) {
    PART.lastIndex = at;
    const part = PART.exec(text);
    if (part === null) return undefined;
    milliseconds += Number(part[1]) * UNIT_MS.get(part[2]!)!;
    at = PART.lastIndex;
  }
  return at === 0 ? undefined : milliseconds;
}

/** Parses a duration in a line, in Go's notation (`-1.5s`, `2h45m`, `0`; no days), to milliseconds; `undefined` when it is not one. */
export function parseGoDuration(text: string): number | undefined {
  const [, sign, digits] = /^([+-]?)(.*)$/s.exec(text)!;
  if (digits === '0') return 0;
  const value = /[dwy]/.test(digits!) ? undefined : parseDuration(digits!);
  return value === undefined || sign !== '-' ? value : -value;
}

/** Formats a duration as Prometheus does: `1h30m`, `90d`; fractions of a millisecond are dropped. */
export function formatDuration(milliseconds: number): string {
  let rest = Math.trunc(Math.abs(milliseconds));
  if (rest === 0) return '0s';
  let text = milliseconds < 0 ? '-' : '';
  for (const unit of ['y', 'w', 'd', 'h', 'm', 's', 'ms']) {
    const unitMs = UNIT_MS.get(unit)!;
    // Years and weeks only when they divide evenly: 90d reads better than 12w6d.
    if ((unit === 'y' || unit === 'w') && rest % unitMs !== 0) continue;
    const count = Math.floor(rest / unitMs);
    if (count === 0) continue;
    text += `${count}${unit}`;
    rest -= count * unitMs;
  }
  return text;
}

/** Formats a duration as Go does: `1m30s`, `1.5s`, `2h0m0s`, `15ms`. */
export function formatGoDuration(milliseconds: number): string {
  const sign = milliseconds < 0 ? '-' : '';
  const ms = Math.abs(milliseconds);
  const short = (value: number): string => String(Number(value.toPrecision(15)));
  if (ms === 0) return '0s';
  if (ms < 1e-3) return `${sign}${short(ms * 1e6)}ns`;
  if (ms < 1) return `${sign}${short(ms * 1e3)}µs`;
  if (ms < 1000) return `${sign}${short(ms)}ms`;
  const [hours, minutes] = [Math.floor(ms / 3_600_000), Math.floor(ms / 60_000) % 60];
  const seconds = `${short((ms % 60_000) / 1000)}s`;
  return `${sign}${hours > 0 ? `${hours}h${minutes}m` : minutes > 0 ? `${minutes}m` : ''}${seconds}`;
}
