import { formatShort, parseGoFloat } from '../quantity.ts';

/** A point in time, in nanoseconds since 1970. */
export class Moment {
  readonly ns: bigint;
  constructor(ns: bigint) {
    this.ns = ns;
  }
}

/** A value of a template: text, 64-bit integer, other number, boolean, moment; a map holds the labels of the line. */
export type Value = string | bigint | number | boolean | Moment | ReadonlyMap<string, string>;

/** Formats a value like Go. */
export function print(value: Value): string {
  if (typeof value === 'number') return formatShort(value);
  if (value instanceof Moment) return new Date(Number(value.ns / 1_000_000n)).toISOString();
  if (value instanceof Map) return `map[${[...value].map(([name, text]) => `${name}:${text}`).join(' ')}]`;
  return String(value);
}

/** Returns whether `if` treats a value as true: it is not empty, zero or false. */
export function isTrue(value: Value): boolean {
  if (value instanceof Moment) return true;
  if (typeof value === 'object') return value.size > 0;
  return typeof value === 'number' ? value !== 0 : Boolean(value);
}

/** Returns a value as text; throws for a number, as Go does. */
export function asText(value: Value | undefined): string {
  if (typeof value !== 'string') throw new Error(`wrong type for value; expected string; got ${typeName(value)}`);
  return value;
}

/** Converts a value to an integer; anything else counts as 0. */
export function asWhole(value: Value | undefined): bigint {
  if (typeof value === 'bigint') return value;
  if (typeof value === 'boolean') return value ? 1n : 0n;
  if (typeof value === 'number') return Number.isFinite(value) ? BigInt.asIntN(64, BigInt(Math.trunc(value))) : 0n;
  return typeof value === 'string' && /^[+-]?\d{1,19}$/.test(value) ? BigInt.asIntN(64, BigInt(value.replace(/^\+/, ''))) : 0n;
}

/** Converts a value to a number; anything else counts as 0. */
export function asNumber(value: Value | undefined): number {
  if (typeof value === 'string') return parseGoFloat(value) ?? 0;
  if (typeof value === 'bigint' || typeof value === 'number' || typeof value === 'boolean') return Number(value);
  return 0;
}

/** Returns Go's name for the type of a value. */
export function typeName(value: Value | undefined): string {
  if (typeof value === 'bigint') return 'int';
  if (typeof value === 'number') return 'float64';
  if (typeof value === 'boolean') return 'bool';
  return typeof value === 'string' ? 'string' : value instanceof Moment ? 'time.Time' : 'map';
}
