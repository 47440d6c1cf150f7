import { formatShort, parseGoFloat } from '../quantity.ts';

/** A moment, in nanoseconds since 1970. */
export class Moment {
  readonly ns: bigint;
  constructor(ns: bigint) {
    this.ns = ns;
  }
}

/** A value of a template: texts, whole numbers (of 64 bits), other numbers, truth, a moment; a map are the labels of the line. */
export type Value = string | bigint | number | boolean | Moment | ReadonlyMap<string, string>;

/** A value as Go prints it. */
export function print(value: Value): string {
  if (typeof value === 'number') return formatShort(value);
  if (value instanceof Moment) return new Date(Number(value.ns / 1_000_000n)).toISOString();
  if (value instanceof Map) return `map[${[...value].map(([name, text]) => `${name}:${text}`).join(' ')}]`;
  return String(value);
}

/** Whether `if` takes a value for true: it is not empty, zero or false. */
export function isTrue(value: Value): boolean {
  if (value instanceof Moment) return true;
  if (typeof value === 'object') return value.size > 0;
  return typeof value === 'number' ? value !== 0 : Boolean(value);
}

/** A value as a text; a number where a text is wanted is a mistake, as in Go. */
export function asText(value: Value | undefined): string {
  if (typeof value !== 'string') throw new Error(`wrong type for value; expected string; got ${typeName(value)}`);
  return value;
}

/** A value as a whole number; what is none counts as 0. */
export function asWhole(value: Value | undefined): bigint {
  if (typeof value === 'bigint') return value;
  if (typeof value === 'boolean') return value ? 1n : 0n;
  if (typeof value === 'number') return Number.isFinite(value) ? BigInt.asIntN(64, BigInt(Math.trunc(value))) : 0n;
  return typeof value === 'string' && /^[+-]?\d{1,19}$/.test(value) ? BigInt.asIntN(64, BigInt(value.replace(/^\+/, ''))) : 0n;
}

/** A value as a number; what is none counts as 0. */
export function asNumber(value: Value | undefined): number {
  if (typeof value === 'string') return parseGoFloat(value) ?? 0;
  if (typeof value === 'bigint' || typeof value === 'number' || typeof value === 'boolean') return Number(value);
  return 0;
}

/** What Go calls the type of a value. */
export function typeName(value: Value | undefined): string {
  if (typeof value === 'bigint') return 'int';
  if (typeof value === 'number') return 'float64';
  if (typeof value === 'boolean') return 'bool';
  return typeof value === 'string' ? 'string' : value instanceof Moment ? 'time.Time' : 'map';
}
