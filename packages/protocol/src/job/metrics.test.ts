import { describe, expect, test } from '@jest/globals';
import { exportName, metricsOf, shortLabel, whyNoSeries } from './metrics.ts';
import type { MetricInfo } from './recipe.ts';

const metric = (name: string, changes: Partial<MetricInfo> = {}): MetricInfo => ({
  name,
  label: 'Some Metric',
  unit: 'number',
  ...changes,
});

describe('a series of a recipe', () => {
  test('has a name for Prometheus and one for a line of text, its own where it gives them', () => {
    expect([metric('learningRate'), metric('psnr'), metric('gradNorm', { exportName: 'gradient_norm' })].map(exportName)).toEqual([
      'learning_rate',
      'psnr',
      'gradient_norm',
    ]);
    expect([metric('a'), metric('a', { shortLabel: 'lr' })].map(shortLabel)).toEqual(['some metric', 'lr']);
  });

  test.each<[string | undefined, MetricInfo[]]>([
    [undefined, [metric('loss'), metric('gradNorm', { exportName: 'gradient_norm' }), metric('top1')]],
    ['series "Loss": expected a name in camelCase', [metric('Loss')]],
    ['series "__proto__": expected a name in camelCase', [metric('__proto__')]],
    ['series "a,b": expected a name in camelCase', [metric('a,b')]],
    ['series a: expected an exportName in snake_case, found "a-b"', [metric('a', { exportName: 'a-b' })]],
    ['series step: the name is taken by maestro', [metric('step')]],
    ['series imagesPerSecond: the name is taken by maestro', [metric('imagesPerSecond')]],
    ['series a: the name is taken by maestro', [metric('a', { exportName: 'workers' })]],
    ['series seenTotal: the name is taken by maestro', [metric('seenTotal')]],
    ['series loss: there are two of this name; rename one', [metric('loss'), metric('loss')]],
    ['series b: its exportName a_b is that of series aB; choose another', [metric('aB'), metric('b', { exportName: 'a_b' })]],
    ['it has 33 series, at most 32 are kept', Array.from({ length: 33 }, (_, i) => metric(`m${i}`))],
  ])('%s', (problem, series) => {
    const found = whyNoSeries(series);
    if (problem === undefined) expect(found).toBeUndefined();
    else expect(found).toContain(problem);
  });
});

test('of what a step told, a recipe has what it names, in its order', () => {
  const told = metricsOf([metric('loss'), metric('psnr'), metric('gradNorm')], { gradNorm: 0, other: 7, loss: 0.5 });
  expect(Object.entries(told)).toEqual([
    ['loss', 0.5],
    ['gradNorm', 0],
  ]);
});
