import { formatPlain, formatShort } from '../quantity.ts';
import { print, typeName, type Value } from './value.ts';

const VERB = /%([-+# 0]*)(\d+)?(?:\.(\d*))?([a-zA-Z%])/g;
/** Maximum field width; a larger one is an error, so that it cannot exhaust memory. */
const MAX_WIDTH = 1000;

/** `printf` of Go's templates: the verbs %v %s %q %d %x %X %c %t %f %e %g, with width, precision and flags. */
export function printf(format: string, values: readonly Value[]): string {
  let next = 0;
  return format.replace(VERB, (all, flags: string, width: string | undefined, precision: string | undefined, verb: string) => {
    if (verb === '%') return '%';
    if (Number(width ?? 0) > MAX_WIDTH || Number(precision ?? 0) > MAX_WIDTH) throw new Error(`printf: ${all} is too wide`);
    if (next >= values.length) return `%!${verb}(MISSING)`;
    const value = values[next++]!;
    const text = apply(verb, value, precision === undefined ? undefined : Number(precision || 0));
    if (text === undefined) return `%!${verb}(${typeName(value)}=${print(value)})`;
    const isNumber = typeof value === 'bigint' || typeof value === 'number';
    const sign =
      isNumber && flags.includes('+') && !text.startsWith('-') ? '+' : isNumber && flags.includes(' ') && !text.startsWith('-') ? ' ' : '';
    return pad(`${sign}${text}`, Number(width ?? 0), flags, isNumber);
  });
}

function pad(text: string, width: number, flags: string, isNumber: boolean): string {
  const missing = width - [...text].length;
  if (missing <= 0) return text;
  if (flags.includes('-')) return text + ' '.repeat(missing);
  if (!flags.includes('0')) return ' '.repeat(missing) + text;
  const sign = isNumber && /^[+-]/.test(text) ? text[0]! : '';
  return sign + '0'.repeat(missing) + text.slice(sign.length);
}

function apply(verb: string, value: Value, precision: number | undefined): string | undefined {
  switch (verb) {
    case 'v':
      return print(value);
    case 's':
      return typeof value !== 'string' ? undefined : precision === undefined ? value : [...value].slice(0, precision).join('');
    case 'q':
      return typeof value === 'string' ? JSON.stringify(value) : undefined;
    case 't':
      return typeof value === 'boolean' ? String(value) : undefined;
    case 'd':
      return typeof value === 'bigint' ? String(value) : undefined;
    case 'c':
      return typeof value === 'bigint' && value >= 0n && value < 0x110000n ? String.fromCodePoint(Number(value)) : undefined;
    case 'x':
    case 'X': {
      const text =
        typeof value === 'bigint' ? value.toString(16) : typeof value === 'string' ? Buffer.from(value).toString('hex') : undefined;
      return verb === 'X' ? text?.toUpperCase() : text;
    }
    case 'f':
    case 'F':
    case 'e':
    case 'g':
      if (typeof value !== 'number') return undefined;
      return formatNumber(verb, value, precision);
    default:
      return undefined;
  }
}

function formatNumber(verb: string, value: number, precision: number | undefined): string {
  if (!Number.isFinite(value)) return formatPlain(value);
  if (verb === 'g')
    return precision === undefined ? formatShort(value) : formatShort(Number(value.toPrecision(Math.max(1, Math.min(100, precision)))));
  const digits = Math.min(100, precision ?? 6);
  if (verb === 'e') return value.toExponential(digits).replace(/e([+-])(\d)$/, 'e$10$2');
  return Math.abs(value) < 1e21 ? value.toFixed(digits) : formatPlain(value);
}
