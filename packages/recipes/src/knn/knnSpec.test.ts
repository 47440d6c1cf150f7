import { expect, test } from '@jest/globals';
import { parseJobSpec, specHash } from '@maestro/protocol';
import { knnOf } from './knnSpec.ts';

const problems = (input: unknown) => {
  try {
    parseJobSpec(input);
  } catch (error) {
    return (error as { details: { issues: string[] } }).details.issues;
  }
  return [];
};

const measuring = {
  recipe: 'knn',
  data: { format: 'idx', path: '/images' },
  checkpoint: { resumeFrom: '/checkpoints/step-00000020' },
};

test('a k-NN job file takes every sample once, on one worker, and the test split where there is one', () => {
  const spec = parseJobSpec(measuring);
  expect(spec).toMatchObject({
    name: 'knn',
    schedule: { epochs: 1, lastBatch: 'keep' },
    resources: { virtualRanks: 1, maxWorkers: 1 },
    knn: { k: 200, temperature: 0.07, test: { format: 'idx', path: '/images', split: 'test' } },
  });
  expect(knnOf(spec)).toEqual({
    k: 200,
    temperature: 0.07,
    test: { format: 'idx', path: '/images', split: 'test' },
    checkpoint: '/checkpoints/step-00000020',
  });
  expect(parseJobSpec(JSON.parse(JSON.stringify(spec)))).toEqual(spec);
});

test('a k-NN job over a set that holds images out classifies those by all others; one given other images by all its own', () => {
  const data = { format: 'image-folder', path: '/images' };
  const own = parseJobSpec({ ...measuring, data });
  expect([own.data, knnOf(own).test]).toEqual([
    { ...data, holdOut: 0.01 },
    { ...data, holdOut: 0.01, part: 'held-out' },
  ]);
  const other = parseJobSpec({ ...measuring, data, knn: { test: { ...data, path: '/other' } } });
  expect([other.data, knnOf(other).test]).toEqual([
    { ...data, holdOut: 0 },
    { ...data, path: '/other', part: 'all' },
  ]);
  for (const spec of [own, other]) expect(parseJobSpec(JSON.parse(JSON.stringify(spec)))).toEqual(spec);
  expect(problems({ ...measuring, data, knn: { test: data } }).join('\n')).toContain('knn.test: expected other samples');
});

test.each([
  [{ checkpoint: {} }, 'checkpoint.resumeFrom: recipe knn needs the checkpoint folder whose encoder is measured'],
  [{ data: { format: 'image-folder', path: 'x', holdOut: 0 } }, 'knn.test: give labelled samples to classify: this data has no test split'],
  [{ knn: { test: { format: 'idx', path: '/images' } } }, 'knn.test: expected other samples than those of data'],
  [{ schedule: { epochs: 2 } }, 'schedule.epochs: expected 1: recipe knn takes each sample once'],
  [{ schedule: { steps: 10 } }, 'schedule.steps: means nothing to recipe knn; leave it out'],
  [{ schedule: { baseLr: 1 } }, 'schedule.baseLr: means nothing to recipe knn; leave it out'],
  [{ schedule: { lastBatch: 'drop' } }, 'schedule.lastBatch: expected keep: recipe knn takes every sample'],
  [{ schedule: 7 }, 'schedule: expected object, found 7'],
  [{ resources: { virtualRanks: 4, maxWorkers: 2 } }, 'resources.maxWorkers: expected 1: recipe knn keeps all features with one worker'],
  [{ optimizer: { state: 'sharded' } }, 'optimizer.state: means nothing to recipe knn; leave it out'],
  [{ sync: { mode: 'diloco', replicas: 1 } }, 'sync.mode: means nothing to recipe knn; leave it out'],
  [{ augment: { flip: false } }, 'augment.flip: means nothing to recipe knn; leave it out'],
  [{ checkpoint: { ...measuring.checkpoint, everySteps: 3 } }, 'checkpoint.everySteps: means nothing to recipe knn; leave it out'],
  [{ knn: { neighbours: 5 } }, 'knn.neighbours: unknown key, allowed: k, temperature, test'],
  [{ recipe: 'mae-pretrain', schedule: { epochs: 1 }, knn: {} }, 'knn: only with recipe knn'],
  [{ recipe: 'linear-probe' }, 'recipe: expected one of "mae-pretrain"|"knn"'],
])('what a k-NN job cannot heed is refused (%#)', (others, expected) => {
  expect(problems({ ...measuring, ...others }).join('\n')).toContain(expected);
});

test('the hash of a k-NN job changes with what it measures by, and not with where that lies', () => {
  const base = specHash(parseJobSpec(measuring));
  expect(specHash(parseJobSpec({ ...measuring, data: { format: 'idx', path: '/elsewhere' } }))).toBe(base);
  for (const others of [{ knn: { k: 5 } }, { knn: { temperature: 1 } }, { seed: 1 }]) {
    expect(specHash(parseJobSpec({ ...measuring, ...others }))).not.toBe(base);
  }
});
