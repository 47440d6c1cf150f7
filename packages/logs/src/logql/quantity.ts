const FLOAT = /^[+-]?(?:\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)$/;
const SPECIAL = /^([+-]?)(inf|infinity|nan)$/i;

/** Parses a number like Go (`1.5`, `1e3`, `-Inf`; no spaces, no overflow); `undefined` when it is not one. */
export function parseGoFloat(text: string): number | undefined {
  if (FLOAT.test(text)) {
    const value = Number(text);
    return Number.isFinite(value) ? value : undefined;
  }
  const special = SPECIAL.exec(text);
  if (special === null) return undefined;
  if (special[2]!.toLowerCase() === 'nan') return Number.NaN;
  return special[1] === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
}

/** Formats a number like Go, without an exponent: `+Inf`, `NaN`, and all digits however large it is. */
export function formatPlain(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf';
  if (Object.is(value, -0)) return '-0';
  const text = String(value);
  const [, sign, whole, fraction = '', exponent] = /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(text)!;
  if (exponent === undefined) return text;
  const digits = `${whole}${fraction}`;
  const point = whole!.length + Number(exponent);
  if (point <= 0) return `${sign}0.${'0'.repeat(-point)}${digits}`;
  return `${sign}${digits.padEnd(point, '0')}`;
}

/** Formats a number like Go's `%v`: with an exponent below 1e-4 and from 1e6 on. */
export function formatShort(value: number): string {
  if (!Number.isFinite(value) || value === 0) return formatPlain(value);
  const [mantissa, exponent] = value.toExponential().split('e') as [string, string];
  const power = Number(exponent);
  if (power >= -4 && power < 6) return formatPlain(value);
  return `${mantissa}e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`;
}

const UNITS = ['', 'k', 'm', 'g', 't', 'p', 'e'];
const SIZE = /^([\d.,]+)\s*([kmgtpe]?)(i?)(b?)\s*$/i;

/** Parses a size such as `42 MB`, `1.5KiB`, `10k` or `512` to whole bytes; `undefined` when it is not one. */
export function parseBytes(text: string): number | undefined {
  const [, digits, unit, binary] = SIZE.exec(text) ?? [];
  const number = digits === undefined ? undefined : parseGoFloat(digits.replaceAll(',', ''));
  if (number === undefined || (unit === '' && binary !== '')) return undefined;
  const bytes = number * (binary === '' ? 1000 : 1024) ** UNITS.indexOf(unit!.toLowerCase());
  return bytes < 2 ** 64 ? Math.trunc(bytes) : undefined;
}

/** Formats a size for people, in powers of 1000: `2.1kB`, `83MB`. */
export function formatBytes(bytes: number): string {
  if (bytes < 10) return `${bytes}B`;
  const power = Math.floor(Math.log(bytes) / Math.log(1000));
  const value = Math.floor((bytes / 1000 ** power) * 10 + 0.5) / 10;
  return `${value < 10 ? value.toFixed(1) : value.toFixed(0)}${['B', 'kB', 'MB', 'GB', 'TB', 'PB', 'EB'][power]}`;
}
