import type { Dice } from './dice.ts';
import { type JsonSchema, type OpenApiDocument, resolveSchema } from './openApi.ts';

/** Texts that have broken parsers, paths, queries, logs and terminals before. */
export const HOSTILE_TEXTS: readonly string[] = [
  '',
  ' ',
  '\u0000',
  '../../../../etc/passwd',
  '..%2f..%2fetc%2fpasswd',
  '/etc/passwd',
  'file:///etc/passwd',
  '%00',
  '%',
  '%ff%fe',
  '\uD800',
  '\u202e\ufeff',
  '💥'.repeat(50),
  'a'.repeat(5000),
  '{{7*7}}',
  "' OR 1=1 --",
  '<script>alert(1)</script>',
  '\r\nSet-Cookie: a=b',
  '__proto__',
  'constructor',
  'null',
  'NaN',
  '-0',
  '1e999',
  '0x10',
  '9007199254740993',
  '*',
  '[',
  '(a+)+$',
  '{job=~"(((((.*)*)*)*)*"}',
  'EVAL "return 1" 0',
];

const HOSTILE_VALUES: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  1.5,
  1e308,
  -1e308,
  2 ** 53,
  [],
  [[]],
  {},
  { a: { b: [] } },
  ...HOSTILE_TEXTS,
];

/** A value that the schema takes, as far as a pattern can be guessed; optional properties come and go. */
export function validValue(schema: JsonSchema, dice: Dice, document: OpenApiDocument, depth = 0): unknown {
  const found = resolveSchema(schema, document);
  if (found.const !== undefined) return found.const;
  if (found.enum !== undefined) return dice.pick(found.enum);
  const variants = found.anyOf ?? found.oneOf;
  if (variants !== undefined) return validValue(dice.pick(variants), dice, document, depth + 1);
  const type = typeof found.type === 'string' ? found.type : found.type?.[0];
  if (type === 'object' || found.properties !== undefined) {
    const names = Object.keys(found.properties ?? {}).filter(
      (name) => found.required?.includes(name) === true || (depth < 4 && dice.oneIn(3)),
    );
    return Object.fromEntries(names.map((name) => [name, validValue(found.properties![name]!, dice, document, depth + 1)]));
  }
  if (type === 'array') {
    const length = Math.min(Math.max(found.minItems ?? 0, dice.whole(3)), found.maxItems ?? 3);
    return Array.from({ length }, () => validValue(found.items ?? {}, dice, document, depth + 1));
  }
  if (type === 'integer' || type === 'number') return validNumber(found, dice);
  if (type === 'boolean') return dice.oneIn(2);
  if (type === 'null') return null;
  if (found.format === 'date-time') return '2026-01-02T03:04:05.000Z';
  return 'abc123'.slice(0, found.maxLength ?? 6).padEnd(found.minLength ?? 0, 'x');
}

function validNumber({ type, minimum, maximum, exclusiveMinimum, exclusiveMaximum }: JsonSchema, dice: Dice): number {
  const low = minimum ?? exclusiveMinimum ?? 0;
  const high = Math.min(maximum ?? exclusiveMaximum ?? low + 100, low + 100);
  if (type === 'integer')
    return Math.min(high, low + (exclusiveMinimum === undefined ? 0 : 1) + dice.whole(Math.max(1, Math.floor(high - low))));
  return low + ((high - low) * (1 + dice.whole(98))) / 100;
}

/** A value in place of a valid one: another type, a text or number at or beyond a bound, a property too many, or a hostile one within. */
export function hostileValue(schema: JsonSchema, dice: Dice, document: OpenApiDocument): unknown {
  if (dice.oneIn(3)) return dice.pick(HOSTILE_VALUES);
  const found = resolveSchema(schema, document);
  const valid = validValue(schema, dice, document);
  if (typeof valid === 'number')
    return dice.pick([-valid - 1, valid + 1e9, valid + 0.5, String(valid), (found.maximum ?? 1e15) + 1, (found.minimum ?? 0) - 1]);
  if (typeof valid === 'object' && valid !== null && !Array.isArray(valid))
    return hostileObject(found, valid as Record<string, unknown>, dice, document);
  if (Array.isArray(valid))
    return dice.pick([[...valid, dice.pick(HOSTILE_VALUES)], Array.from({ length: 2000 }, () => 0), valid.slice(1)]);
  return dice.pick(HOSTILE_VALUES);
}

function hostileObject(schema: JsonSchema, valid: Record<string, unknown>, dice: Dice, document: OpenApiDocument): unknown {
  const names = Object.keys(schema.properties ?? valid);
  const name = names.length === 0 ? 'x' : dice.pick(names);
  const within = schema.properties?.[name];
  return dice.pick<() => unknown>([
    () => ({ ...valid, [name]: within === undefined ? 1 : hostileValue(within, dice, document) }),
    () => ({ ...valid, [dice.pick(HOSTILE_TEXTS)]: dice.pick(HOSTILE_VALUES) }),
    () => Object.fromEntries(Object.entries(valid).filter(([key]) => key !== name)),
    () => nested(dice.pick([10, 500, 2000])),
    // JSON.parse makes it an own property.
    () => JSON.parse(`{"__proto__": {"isAdmin": true}, "constructor": {"prototype": {}}}`),
  ])();
}

function nested(depth: number): unknown {
  let value: unknown = 0;
  for (let i = 0; i < depth; i++) value = i % 2 === 0 ? [value] : { a: value };
  return value;
}
