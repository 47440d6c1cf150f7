import { expect, test } from '@jest/globals';
import { parseJobSpec } from './jobSpec.ts';
import { mostWorkers, ranksPerUnit } from './jobUnits.ts';
import { specHash } from './specHash.ts';

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
  expect(spec.optimizer).toEqual({ name: 'adamw', beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0.05, state: 'replicated' });
  expect(spec.schedule).toMatchObject({ baseLr: 1.5e-4, microBatch: 64, accumulation: 1, lastBatch: 'drop' });
  expect(spec.augment).toMatchObject({ scale: [0.2, 1], ratio: [3 / 4, 4 / 3], flip: true });
  expect(spec.model).toEqual({ preset: 'mae_vit_base_patch16', maskRatio: 0.75, masking: 'random', normPixLoss: true });
});

test.each([
  [{ ...minimal, schedule: { epoch: 5 } }, 'schedule.epoch: unknown key, did you mean epochs?'],
  [{ ...minimal, schedule: { epochs: 5, steps: 3 } }, 'schedule: set either epochs or steps'],
  [{ ...minimal, data: { format: 'idx', paht: 'x', path: 'y' } }, 'data.paht: unknown key, did you mean path?'],
  [{ ...minimal, data: { format: 'tar', path: 'y' } }, 'data.format'],
  [
    { ...minimal, batchSize: 32 },
    'batchSize: unknown key, here it is schedule.microBatch (a step uses virtualRanks x microBatch x accumulation images)',
  ],
  [{ ...minimal, schedule: { epochs: 5, batch_size: 32 } }, 'schedule.batch_size: unknown key, here it is schedule.microBatch ('],
  [{ ...minimal, schedule: { epochs: 5, micro_batch: 32 } }, 'schedule.micro_batch: unknown key, did you mean microBatch?'],
  [{ ...minimal, lr: 1 }, 'lr: unknown key, here it is schedule.baseLr (for a batch of 256; scaled by the batch)'],
  [{ ...minimal, optimizer: { learning_rate: 1 } }, 'optimizer.learning_rate: unknown key, here it is schedule.baseLr'],
  [{ ...minimal, optimizer: { lr: 1 } }, 'optimizer.lr: unknown key, here it is schedule.baseLr'],
  [
    { ...minimal, num_workers: 4 },
    'num_workers: unknown key, here it is resources.minWorkers and resources.maxWorkers (number of worker processes',
  ],
  [{ ...minimal, optimizer: { momentum: 0.9 } }, 'optimizer.momentum: unknown key, allowed: name'],
  [{ ...minimal, output_dir: '/o' }, 'output_dir: unknown key, here it is checkpoint.location'],
  [{ ...minimal, image_size: 224 }, 'image_size: unknown key, here it is model.imageSize'],
  [{ ...minimal, epochs: 3 }, 'epochs: unknown key, here it is schedule.epochs'],
  [{ ...minimal, model: { weight_decay: 0 } }, 'model.weight_decay: unknown key, here it is optimizer.weightDecay'],
  [{ ...minimal, constructor: 1 }, 'constructor: unknown key, allowed: name'],
  [{ ...minimal, model: 'mae_vit_base' }, 'model: expected object, found "mae_vit_base"; write model: { preset: NAME }'],
  [{ ...minimal, model: { preset: 'vit_base' } }, 'found "vit_base"; did you mean mae_vit_base_patch16?'],
  [{ ...minimal, data: '/images' }, 'data: expected object, found "/images"; write data: { format: image-folder, path: DIR }'],
  [{ ...minimal, data: { format: 'imagefolder', path: 'y' } }, 'found "imagefolder"; did you mean image-folder?'],
  [{ ...minimal, zebra: 1 }, 'zebra: unknown key, allowed: name, priority, recipe, model, data'],
  [{ ...minimal, model: { preset: 'vit' } }, 'model.preset: expected one of "mae_vit_tiny_patch4"'],
  [{ ...minimal, model: { maskRatio: 1 } }, 'found 1'],
  [{ ...minimal, seed: 'x' }, 'seed: expected number, found "x"'],
  [{ ...minimal, seed: 2 ** 60 }, 'seed'],
  [{ ...minimal, resources: { virtualRanks: 4, maxWorkers: 5 } }, 'resources.maxWorkers: at most virtualRanks (4), found 5'],
  [{ ...minimal, resources: { virtualRanks: 1025 } }, 'resources.virtualRanks: '],
  [
    { ...minimal, resources: { virtualRanks: 1024, maxWorkers: 65 } },
    "resources.maxWorkers: at most 64, because every pair of a job's workers is connected; found 65",
  ],
  [{ ...minimal, resources: { virtualRanks: 1024, minWorkers: 65 } }, 'resources.minWorkers: at most maxWorkers (64), found 65'],
  [
    { ...minimal, optimizer: { state: 'sharded' }, sync: { allGather: 'bf16' } },
    'optimizer.state: sharded needs sync.mode allReduce and sync.allGather f32, found allReduce and bf16',
  ],
  [{ ...minimal, sync: { mode: 'gossip' } }, 'sync.mode: expected one of "allReduce"|"diloco", found "gossip"'],
  [{ ...minimal, optimizer: { name: 'adm' } }, 'optimizer.name: expected one of "adamw"|"sgd"|"lars", found "adm"; did you mean adamw?'],
  [{ ...minimal, data: { path: 'y' } }, 'data.format: expected one of "idx"|"image-folder"|"webdataset", found nothing'],
  [
    { ...minimal, optimizer: { name: 'sgd', momentum: 0, nesterov: true } },
    'optimizer.nesterov: expected false, or a momentum above 0, found true with momentum 0',
  ],
  [{ ...minimal, sync: { replicas: 2 } }, 'sync.replicas: unknown key'],
  [{ ...minimal, sync: { mode: 'diloco' } }, 'sync.replicas'],
  [{ ...minimal, sync: { mode: 'diloco', replicas: 3 } }, 'sync.replicas: expected a divisor of resources.virtualRanks (8), found 3'],
  [
    { ...minimal, sync: { mode: 'diloco', replicas: 4 }, resources: { maxWorkers: 5 } },
    'resources.maxWorkers: at most sync.replicas (4), because a worker owns whole replicas, found 5',
  ],
  [{ ...minimal, sync: { mode: 'diloco', replicas: 2 }, resources: { minWorkers: 3 } }, 'resources.minWorkers: at most sync.replicas (2)'],
  [{ ...minimal, augment: { scale: [1, 0.2] } }, 'augment.scale: expected [low, high], found [1, 0.2]'],
  ['nonsense', '(top level): expected object'],
  [null, '(top level)'],
])('a bad job file is refused by path, finding and remedy (%#)', (input, expected) => {
  expect(problems(input).join('\n')).toContain(expected);
});

test('a job that sums gradients in float32 has the hash that it had before there was a choice', () => {
  const hash = 'a541b7da83bce39a228e84596b0d99263d3006daa4f74c4a506431dfcb767e7c';
  const data = { ...minimal.data, holdOut: 0 };
  expect(specHash(parseJobSpec({ ...minimal, data }))).toBe(hash);
  expect(specHash(parseJobSpec({ ...minimal, data, sync: { mode: 'allReduce', allGather: 'f32' } }))).toBe(hash);
  // By default it does not train on all of its images.
  expect(parseJobSpec(minimal).data).toMatchObject({ holdOut: 0.01 });
  expect(specHash(parseJobSpec(minimal))).not.toBe(hash);
  expect(problems({ ...minimal, data: { ...minimal.data, holdOut: 0.6 } }).join('\n')).toContain('data.holdOut');
  expect(problems({ ...minimal, data: { format: 'idx', path: 'x', holdOut: 0.1 } }).join('\n')).toContain('data.holdOut: unknown key');
});

test('replicas that train apart have the defaults of DiLoCo, and as many workers at most as replicas', () => {
  const spec = parseJobSpec({ ...minimal, sync: { mode: 'diloco', replicas: 4 } });
  expect(spec.sync).toEqual({ mode: 'diloco', allGather: 'f32', replicas: 4, innerSteps: 50, outerLr: 0.7, outerMomentum: 0.9 });
  expect([mostWorkers(spec), ranksPerUnit(spec)]).toEqual([4, 2]);
  const plain = parseJobSpec(minimal);
  expect([mostWorkers(plain), ranksPerUnit(plain)]).toEqual([8, 1]);
  expect(mostWorkers(parseJobSpec({ ...minimal, resources: { virtualRanks: 1024 } }))).toBe(64);
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
    { ...minimal, sync: { allGather: 'bf16' } },
    { ...minimal, sync: { mode: 'diloco', replicas: 4 } },
    { ...minimal, sync: { mode: 'diloco', replicas: 4, innerSteps: 10 } },
  ];
  expect(same.map((input) => specHash(parseJobSpec(input)) === base)).toEqual(same.map(() => true));
  expect(different.map((input) => specHash(parseJobSpec(input)) === base)).toEqual(different.map(() => false));
});
