import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { StepRow } from './history.ts';
import { seriesOf, seriesPoints } from './series.ts';

const rowsOf = (losses: readonly number[]): StepRow[] =>
  losses.map((loss, i) => ({ step: i + 1, timeMs: i, images: 10, stepSeconds: 2, metrics: { loss } }));
const all = seriesOf({ verb: 'training', series: [{ name: 'loss', label: 'Loss', unit: 'number' }] });
const named = (name: string) => all.find((each) => each.name === name)!;

describe('seriesPoints', () => {
  test('gives all there is when that is little, and speed as images a second', () => {
    expect(seriesPoints(rowsOf([3, 2]), named('imagesPerSecond'), 10)).toEqual([
      [1, 0, 5],
      [2, 1, 5],
    ]);
  });

  test('keeps first, last, lowest and highest, in order, and is as short as was asked', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: 1, maxLength: 300 }),
        fc.integer({ min: 6, max: 50 }),
        (losses, points) => {
          const kept = seriesPoints(rowsOf(losses), named('loss'), points);
          expect(kept.length).toBeLessThanOrEqual(points);
          expect(kept[0]![0]).toBe(1);
          expect(kept.at(-1)![0]).toBe(losses.length);
          const values = kept.map(([, , value]) => value);
          expect(Math.max(...values)).toBe(Math.max(...losses));
          expect(Math.min(...values)).toBe(Math.min(...losses));
          const steps = kept.map(([step]) => step);
          expect(steps).toEqual([...new Set(steps)].sort((a, b) => a - b));
        },
      ),
    );
  });

  test.each([2, 3])('two ends are left of %i points', (points) => {
    expect(seriesPoints(rowsOf([1, 5, 3, 4]), named('loss'), points).map(([step]) => step)).toEqual([1, 4]);
  });

  test('a step that did not tell a metric has no point', () => {
    const [first, second, third] = rowsOf([3, 2, 1]);
    expect(seriesPoints([first!, { ...second!, metrics: {} }, third!], named('loss'), 10).map(([step]) => step)).toEqual([1, 3]);
  });
});
