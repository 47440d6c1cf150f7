import { expect, test } from '@jest/globals';
import { parseJobSpec, specHash } from './jobSpec.ts';

const minimal = { data: { format: 'image-folder', path: '/images' }, schedule: { epochs: 5 } };
const problems = (input: unknown) => {
  try {
    parseJobSpec(input);
  } catch (error) {
    return (error as { details: { issues: string[] } }).details.issues;
  }
  return [];
};

test('a minimal job file gets the defaults of the paper', () => {
  const spec = parseJobSpec(minimal);
  expect(spec.optimizer).toEqual({ beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0.05, state: 'replicated' });
  expect(spec.schedule).toMatchObject({ baseLr: 1.5e-4, microBatch: 64, accumulation: 1, lastBatch: 'drop' });
  expect(spec.augment).toMatchObject({ scale: [0.2, 1], ratio: [3 / 4, 4 / 3], flip: true });
  expect(spec.model).toEqual({ preset: 'mae_vit_base_patch16', maskRatio: 0.75, masking: 'random', normPixLoss: true });
});

test.each([
  [{ ...minimal, schedule: { epoch: 5 } }, 'schedule.epoch: unknown key, did you mean epochs?'],
  [{ ...minimal, schedule: { epochs: 5, steps: 3 } }, 'schedule: give either epochs or steps'],
  [{ ...minimal, data: { format: 'idx', paht: 'x', path: 'y' } }, 'data.paht: unknown key, did you mean path?'],
  [{ ...minimal, data: { format: 'tar', path: 'y' } }, 'data.format'],
  [{ ...minimal, zebra: 1 }, 'zebra: unknown key, allowed: name, recipe, model, data'],
  [{ ...minimal, model: { preset: 'vit' } }, 'model.preset: expected one of "mae_vit_tiny_patch4"'],
  [{ ...minimal, model: { maskRatio: 1 } }, 'found 1'],
  [{ ...minimal, seed: 'x' }, 'seed: expected number, found "x"'],
  [{ ...minimal, seed: 2 ** 60 }, 'seed'],
  [{ ...minimal, resources: { virtualRanks: 4, maxWorkers: 5 } }, 'resources.maxWorkers: at most virtualRanks (4), found 5'],
  [{ ...minimal, augment: { scale: [1, 0.2] } }, 'augment.scale: expected [low, high], found [1, 0.2]'],
  ['nonsense', '(top level): expected object'],
  [null, '(top level)'],
])('a bad job file is refused by path, finding and remedy (%#)', (input, expected) => {
  expect(problems(input).join('\n')).toContain(expected);
});

test('the hash of a job changes with what decides its bits, and not with what does not', () => {
  const base = specHash(parseJobSpec(minimal));
  const same = [
    { ...minimal, name: 'other' },
    { ...minimal, data: { ...minimal.data, path: '/elsewhere' } },
    { ...minimal, resources: { minWorkers: 2 } },
    { ...minimal, optimizer: { state: 'sharded' } },
    { ...minimal, checkpoint: { everySteps: 7, keepEveryEpochs: 2, keepBest: 1 } },
  ];
  const different = [
    { ...minimal, seed: 1 },
    { ...minimal, resources: { virtualRanks: 4 } },
    { ...minimal, schedule: { epochs: 6 } },
    { ...minimal, model: { maskRatio: 0.5 } },
  ];
  expect(same.map((input) => specHash(parseJobSpec(input)) === base)).toEqual(same.map(() => true));
  expect(different.map((input) => specHash(parseJobSpec(input)) === base)).toEqual(different.map(() => false));
});
