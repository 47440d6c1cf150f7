import { parseGoDuration } from '../duration.ts';
import { parseBytes } from '../quantity.ts';
import { comparisons } from './compare.ts';
import { formatDate } from './date.ts';
import { printf } from './format.ts';
import { countMatches, replaceAll, replaceAllLiteral } from './regex.ts';
import { asNumber, asText, asWhole, isTrue, Moment, print, typeName, type Value } from './value.ts';

/** The line that a template is applied to, besides its labels. */
export interface TemplateLine {
  readonly text: string;
  readonly ns: bigint;
}

/** A function of a template, with its minimum and maximum number of operands. */
interface TemplateFunction {
  readonly least: number;
  readonly most: number;
  readonly apply: (operands: readonly Value[], line: TemplateLine) => Value;
}

/** Maximum length of a function's result, in characters. */
export const MAX_TEXT = 64 * 1024;

/** Functions of Loki's templates that are not supported. */
export const REFUSED_FUNCTIONS: readonly string[] = [
  'fromJson',
  'toDate',
  'toDateInZone',
  'unixToTime',
  'index',
  'slice',
  'call',
  'html',
  'js',
];

/** Throws before creating a text that is too long. */
function bounded(length: number, make: () => string): string {
  if (length > MAX_TEXT) throw new Error(`a text of ${length} characters; at most ${MAX_TEXT} are made`);
  return make();
}

function replace(text: string, from: string, to: string, count: bigint): string {
  const most = count < 0n ? Number.POSITIVE_INFINITY : Number(count);
  const pieces = text.split(from);
  // For an empty old text, Go inserts the new one before, between and after all characters.
  const parts = from === '' ? ['', ...text, ''] : pieces;
  const times = Math.min(most, parts.length - 1);
  return bounded(text.length + times * to.length, () => {
    const replaced = parts.slice(0, times + 1).join(to);
    return times === parts.length - 1
      ? replaced
      : replaced +
          parts
            .slice(times + 1)
            .map((part) => from + part)
            .join('');
  });
}

function trimSet(text: string, set: string, sides: 'left' | 'right' | 'both'): string {
  const characters = [...text];
  const cut = new Set(set);
  let [from, to] = [0, characters.length];
  if (sides !== 'right') while (from < to && cut.has(characters[from]!)) from++;
  if (sides !== 'left') while (to > from && cut.has(characters[to - 1]!)) to--;
  return characters.slice(from, to).join('');
}

const trimPrefix = (text: string, prefix: string): string => (text.startsWith(prefix) ? text.slice(prefix.length) : text);
const trimSuffix = (text: string, suffix: string): string =>
  suffix !== '' && text.endsWith(suffix) ? text.slice(0, -suffix.length) : text;

function trunc(length: bigint, text: string): string {
  const characters = [...text];
  if (length < 0n) return characters.length + Number(length) > 0 ? characters.slice(Number(length)).join('') : text;
  return characters.length > length ? characters.slice(0, Number(length)).join('') : text;
}

function substr(start: bigint, end: bigint, text: string): string {
  const characters = [...text];
  if (start < 0n) return end < 0n ? '' : characters.slice(0, Number(end)).join('');
  return characters.slice(Number(start), end < 0n || end > characters.length ? undefined : Number(end)).join('');
}

function align(count: bigint, text: string, side: 'left' | 'right'): string {
  const characters = [...text];
  if (count < 0n) return text;
  const missing = Number(count) - characters.length;
  if (missing <= 0) return (side === 'left' ? characters.slice(0, Number(count)) : characters.slice(-missing)).join('');
  return bounded(Number(count), () => (side === 'left' ? text + ' '.repeat(missing) : ' '.repeat(missing) + text));
}

function indent(spaces: bigint, text: string): string {
  const lines = text.split('\n');
  return bounded(text.length + lines.length * Math.max(0, Number(spaces)), () =>
    lines.map((line) => ' '.repeat(Math.max(0, Number(spaces))) + line).join('\n'),
  );
}

function round(value: number, places: bigint): number {
  const power = 10 ** Number(places);
  const digit = power * value;
  return (digit - Math.trunc(digit) >= 0.5 ? Math.ceil(digit) : Math.floor(digit)) / power;
}

/** Parses a label's value, or throws. */
function converted(text: string, parse: (text: string) => number | undefined, kind: string): number {
  const value = parse(text);
  if (value === undefined) throw new Error(`${JSON.stringify(text)} is no ${kind}`);
  return value;
}

/** Rounds sums of decimal fractions to hide binary errors: 0.1 + 0.2 is 0.3. */
const decimal = (value: number): number => (Number.isFinite(value) ? Number(value.toPrecision(15)) : value);
const seconds = (text: string): number => converted(text, parseGoDuration, 'duration') / 1000;
const whole = (value: bigint): bigint => BigInt.asIntN(64, value);
const moment = (value: Value | undefined): Moment => {
  if (!(value instanceof Moment)) throw new Error(`wrong type for value; expected time.Time; got ${typeName(value)}`);
  return value;
};

type Texts = (...texts: string[]) => Value;
const texts = (count: number, apply: Texts): TemplateFunction => ({
  least: count,
  most: count,
  apply: (operands) => apply(...operands.map(asText)),
});
/** A function of a number and a text. */
const counted = (apply: (count: bigint, text: string) => Value): TemplateFunction => ({
  least: 2,
  most: 2,
  apply: ([count, text]) => apply(asWhole(count), asText(text)),
});
const wholes = (apply: (a: bigint, b: bigint) => bigint, least = 1): TemplateFunction => ({
  least,
  most: Number.POSITIVE_INFINITY,
  apply: (operands) => operands.map(asWhole).reduce((a, b) => whole(apply(a, b))),
});
const numbers = (apply: (a: number, b: number) => number, least = 1): TemplateFunction => ({
  least,
  most: Number.POSITIVE_INFINITY,
  apply: (operands) => operands.map(asNumber).reduce((a, b) => apply(a, b)),
});
const any = (least: number, most: number, apply: TemplateFunction['apply']): TemplateFunction => ({ least, most, apply });

const FUNCTIONS: ReadonlyMap<string, TemplateFunction> = new Map<string, TemplateFunction>([
  ...comparisons.map(([name, least, apply]): [string, TemplateFunction] => [name, any(least, name === 'eq' ? 50 : 2, apply)]),
  // Go's own. Here `and` and `or` evaluate all operands; the result is the same, since operands have no side effects.
  ['and', any(1, 50, (operands) => operands.find((each) => !isTrue(each)) ?? operands.at(-1)!)],
  ['or', any(1, 50, (operands) => operands.find(isTrue) ?? operands.at(-1)!)],
  ['not', any(1, 1, ([value]) => !isTrue(value!))],
  ['len', any(1, 1, ([value]) => BigInt(value instanceof Map ? value.size : Buffer.byteLength(asText(value))))],
  ['print', any(0, 50, (operands) => operands.map(print).join(''))],
  ['println', any(0, 50, (operands) => `${operands.map(print).join(' ')}\n`)],
  ['printf', any(1, 50, ([format, ...operands]) => printf(asText(format), operands))],
  ['urlquery', any(1, 50, (operands) => queryEscape(operands.map(print).join('')))],
  // Loki's, in their old and new spelling, which order operands differently.
  ['ToLower', texts(1, (text) => text!.toLowerCase())],
  ['ToUpper', texts(1, (text) => text!.toUpperCase())],
  ['lower', texts(1, (text) => text!.toLowerCase())],
  ['upper', texts(1, (text) => text!.toUpperCase())],
  ['title', texts(1, (text) => text!.replace(/(?<![\p{L}\p{N}_])\p{L}/gu, (letter) => letter.toUpperCase()))],
  ['Replace', any(4, 4, ([text, from, to, count]) => replace(asText(text), asText(from), asText(to), asWhole(count)))],
  ['replace', texts(3, (from, to, text) => replace(text!, from!, to!, -1n))],
  ['Trim', texts(2, (text, set) => trimSet(text!, set!, 'both'))],
  ['TrimLeft', texts(2, (text, set) => trimSet(text!, set!, 'left'))],
  ['TrimRight', texts(2, (text, set) => trimSet(text!, set!, 'right'))],
  ['trimAll', texts(2, (set, text) => trimSet(text!, set!, 'both'))],
  ['TrimPrefix', texts(2, (text, prefix) => trimPrefix(text!, prefix!))],
  ['TrimSuffix', texts(2, (text, suffix) => trimSuffix(text!, suffix!))],
  ['trimPrefix', texts(2, (prefix, text) => trimPrefix(text!, prefix!))],
  ['trimSuffix', texts(2, (suffix, text) => trimSuffix(text!, suffix!))],
  ['TrimSpace', texts(1, (text) => text!.trim())],
  ['trim', texts(1, (text) => text!.trim())],
  ['trunc', counted(trunc)],
  ['substr', any(3, 3, ([start, end, text]) => substr(asWhole(start), asWhole(end), asText(text)))],
  ['contains', texts(2, (part, text) => text!.includes(part!))],
  ['hasPrefix', texts(2, (part, text) => text!.startsWith(part!))],
  ['hasSuffix', texts(2, (part, text) => text!.endsWith(part!))],
  ['indent', counted(indent)],
  ['nindent', counted((spaces, text) => `\n${indent(spaces, text)}`)],
  [
    'repeat',
    counted((count, text) => {
      if (count < 0n) throw new Error('negative Repeat count');
      return bounded(Number(count) * text.length, () => text.repeat(Number(count)));
    }),
  ],
  ['alignLeft', counted((count, text) => align(count, text, 'left'))],
  ['alignRight', counted((count, text) => align(count, text, 'right'))],
  ['regexReplaceAll', texts(3, (pattern, text, to) => replaceAll(pattern!, text!, to!, MAX_TEXT))],
  ['regexReplaceAllLiteral', texts(3, (pattern, text, to) => replaceAllLiteral(pattern!, text!, to!, MAX_TEXT))],
  ['count', texts(2, (pattern, text) => BigInt(countMatches(pattern!, text!)))],
  ['urlencode', texts(1, (text) => queryEscape(text!))],
  ['urldecode', texts(1, (text) => decodeURIComponent(text!.replaceAll('+', ' ')))],
  ['b64enc', texts(1, (text) => Buffer.from(text!).toString('base64'))],
  ['b64dec', texts(1, (text) => Buffer.from(text!, 'base64').toString())],
  ['bytes', texts(1, (text) => converted(text!, parseBytes, 'size'))],
  ['duration', texts(1, (text) => seconds(text!))],
  ['duration_seconds', texts(1, (text) => seconds(text!))],
  ['default', any(1, 2, ([usual, given]) => (given !== undefined && isTrue(given) ? given : usual!))],
  ['int', any(1, 1, ([value]) => asWhole(value))],
  ['float64', any(1, 1, ([value]) => asNumber(value))],
  ['add', wholes((a, b) => a + b)],
  ['sub', wholes((a, b) => a - b, 2)],
  ['mul', wholes((a, b) => a * b)],
  ['div', wholes((a, b) => a / b, 2)],
  ['mod', wholes((a, b) => a % b, 2)],
  // biome-ignore lint/complexity/useMathMinMax: Math has none for bigint
  ['max', wholes((a, b) => (a < b ? b : a))],
  // biome-ignore lint/complexity/useMathMinMax: Math has none for bigint
  ['min', wholes((a, b) => (b < a ? b : a))],
  ['addf', numbers((a, b) => decimal(a + b))],
  ['subf', numbers((a, b) => decimal(a - b), 2)],
  ['mulf', numbers((a, b) => decimal(a * b))],
  [
    'divf',
    numbers((a, b) => {
      if (b === 0) throw new Error('decimal division by 0');
      return Number((a / b).toFixed(16));
    }, 2),
  ],
  ['maxf', numbers(Math.max)],
  ['minf', numbers(Math.min)],
  ['ceil', any(1, 1, ([value]) => Math.ceil(asNumber(value)))],
  ['floor', any(1, 1, ([value]) => Math.floor(asNumber(value)))],
  ['round', any(2, 2, ([value, places]) => round(asNumber(value), asWhole(places)))],
  ['__line__', any(0, 0, (_, { text }) => text)],
  ['__timestamp__', any(0, 0, (_, { ns }) => new Moment(ns))],
  ['now', any(0, 0, () => new Moment(BigInt(Date.now()) * 1_000_000n))],
  ['date', any(2, 2, ([layout, at]) => formatDate(asText(layout), moment(at)))],
  ['unixEpoch', any(1, 1, ([at]) => String(moment(at).ns / 1_000_000_000n))],
  ['unixEpochMillis', any(1, 1, ([at]) => String(moment(at).ns / 1_000_000n))],
  ['unixEpochNanos', any(1, 1, ([at]) => String(moment(at).ns))],
]);

/** An unpaired surrogate, which has no UTF-8. */
const LONE_SURROGATE = /[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/g;

function queryEscape(text: string): string {
  return encodeURIComponent(text.replace(LONE_SURROGATE, '\uFFFD'))
    .replaceAll('%20', '+')
    .replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** Returns true when there is a function of that name. */
export function hasFunction(name: string): boolean {
  return FUNCTIONS.has(name);
}

/** Calls a function; throws an error about invalid operands. */
export function callFunction(name: string, operands: readonly Value[], line: TemplateLine): Value {
  const { least, most, apply } = FUNCTIONS.get(name)!;
  if (operands.length < least || operands.length > most) {
    throw new Error(`wrong number of args for ${name}: want ${least === most ? least : `at least ${least}`} got ${operands.length}`);
  }
  return apply(operands, line);
}
