import { MaestroError } from '../errors.ts';

const UNITS = { '': 1, B: 1, KB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 } as const;

/**
 * Parses a size such as `256MB`, `1.5GiB` or `0` to bytes.
 * @throws MaestroError `invalid-argument` that names `what` and the allowed forms
 */
export function parseByteSize(text: string, what: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([A-Za-z]*)$/.exec(text.trim());
  const unit = Object.entries(UNITS).find(([name]) => name.toLowerCase() === (match?.[2] ?? '?').toLowerCase());
  if (match !== null && unit !== undefined) return Math.round(Number(match[1]) * unit[1]);
  throw new MaestroError('invalid-argument', `${what}: expected a size such as 256MB, 10GB or 1GiB, found ${text}`);
}

const SHOWN = ['B', 'kB', 'MB', 'GB', 'TB'] as const;

/** Formats a size the same way everywhere in maestro: in powers of 1000, one decimal from a kilobyte up: `812 B`, `33.1 MB`, `1.3 GB`. */
export function formatBytes(bytes: number): string {
  let power = 0;
  // A value that would round to 1000.0 is shown in the next unit.
  while (power < SHOWN.length - 1 && bytes / 1000 ** power >= (power === 0 ? 1000 : 999.95)) power++;
  const amount = bytes / 1000 ** power;
  return `${power === 0 ? Math.round(amount) : amount.toFixed(1)} ${SHOWN[power]}`;
}
