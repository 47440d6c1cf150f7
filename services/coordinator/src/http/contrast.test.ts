import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';

const CSS = readFileSync(new URL('../../dashboard/styles/tokens.css', import.meta.url), 'utf8');
/** WCAG 2.2: 1.4.3 for text, 1.4.11 for what is no text. */
const TEXT_RATIO = 4.5;
const SHAPE_RATIO = 3;

type Tokens = ReadonlyMap<string, string>;

const light = tokensOf(':root {');
const dark = new Map([...light, ...tokensOf(':root[data-theme="dark"] {')]);

/** The colours that the rule with this selector, its first one, sets. */
function tokensOf(selector: string): Tokens {
  const start = CSS.indexOf(selector);
  const rule = CSS.slice(start, CSS.indexOf('}', start));
  return new Map([...rule.matchAll(/--([\w-]+): (#[0-9a-f]{6});/g)].map(([, name, value]) => [name!, value!]));
}

/** Relative luminance, WCAG 2.2. */
function luminance(hex: string): number {
  const [r, g, b] = [1, 3, 5].map((at) => {
    const channel = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
    return channel <= 0.04045 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
}

function contrast(a: string, b: string): number {
  const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (high! + 0.05) / (low! + 0.05);
}

const SURFACES = ['bg', 'panel', 'sunken', 'hover'];
const TONES = ['green', 'amber', 'red', 'blue', 'violet', 'grey'];
const product = (fronts: readonly string[], backs: readonly string[]) =>
  fronts.flatMap((front) => backs.map((back) => [front, back] as const));

/** What is written on what. */
const TEXT_PAIRS = [
  ...product(['text', 'text-2', 'text-3', 'accent', 'red'], SURFACES),
  ...product(['amber', 'blue', 'green'], ['panel', 'hover', 'bg']),
  ...TONES.map((tone) => [tone, `${tone}-soft`] as const),
  ...product(['text-2', 'accent'], ['accent-soft']),
  ['on-accent', 'accent'],
  ['on-accent', 'accent-hover'],
  ['on-danger', 'danger'],
  ['on-danger', 'danger-hover'],
] as const;

/** Lines, bars, borders of controls, and the ring around what has the focus. */
const SHAPE_PAIRS = [
  ...product(['focus', 'control'], ['panel', 'bg']),
  ...product(['line-1', 'line-2', 'line-3', 'line-4', 'accent', 'green', 'red', 'amber'], ['panel', 'sunken']),
  ...product(
    ['data', 'forward', 'reduce-scatter', 'all-gather', 'apply', 'other'].map((phase) => `phase-${phase}`),
    ['panel', 'sunken'],
  ),
  ['phase-wait', 'panel'],
] as const;

test.each([
  ['light', light],
  ['dark', dark],
])('every text in %s colours stands out from what it is written on by 4.5 to 1, and every line by 3 to 1', (_, tokens) => {
  const low = (pairs: readonly (readonly [string, string])[], least: number) =>
    pairs.flatMap(([front, back]) => {
      const ratio = contrast(tokens.get(front)!, tokens.get(back)!);
      return ratio >= least ? [] : [`${front} on ${back}: ${ratio.toFixed(2)}`];
    });
  expect(TEXT_PAIRS.length).toBeGreaterThan(40);
  expect([...low(TEXT_PAIRS, TEXT_RATIO), ...low(SHAPE_PAIRS, SHAPE_RATIO)]).toEqual([]);
});

test('the ratio is that of the standard: 21 for black on white, 4.54 for its example of grey', () => {
  expect(contrast('#000000', '#ffffff')).toBeCloseTo(21, 5);
  expect(contrast('#767676', '#ffffff')).toBeCloseTo(4.54, 2);
});

test('both sets of colours have the same names, so that no colour of one shines through in the other', () => {
  expect([...tokensOf(':root[data-theme="dark"] {').keys()].sort()).toEqual([...light.keys()].sort());
});
