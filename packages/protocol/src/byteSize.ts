import { MaestroError } from './errors.ts';

const UNITS = { '': 1, B: 1, KB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 } as const;

/**
 * Reads a size such as `256MB`, `1.5GiB` or `0`, in bytes.
 * @throws MaestroError `invalid-argument` that names `what` and tells what is allowed
 */
export function parseByteSize(text: string, what: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([A-Za-z]*)$/.exec(text.trim());
  const unit = Object.entries(UNITS).find(([name]) => name.toLowerCase() === (match?.[2] ?? '?').toLowerCase());
  if (match !== null && unit !== undefined) return Math.round(Number(match[1]) * unit[1]);
  throw new MaestroError('invalid-argument', `${what}: expected a size such as 256MB, 10GB or 1GiB, found ${text}`);
}
