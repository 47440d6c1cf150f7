import { expect, test } from '@jest/globals';
import { parseJobSpec } from '@maestro/protocol';
import { planJob, planWarnings } from './planJob.ts';

const data = { format: 'idx', path: '/d' };
const cpu = (threads: number) => ({ device: 'cpu', threads });
const paper = parseJobSpec({
  data,
  schedule: { epochs: 800, microBatch: 64, accumulation: 8, warmupEpochs: 40 },
  model: { preset: 'mae_vit_large_patch16' },
});

test("the paper's run: 4096 images a step, a rate of 2.4e-3, 40 epochs of warm-up, ViT-L with its decoder", () => {
  const plan = planJob(paper, { samples: 1_281_167, workers: [] });
  expect(plan).toMatchObject({ globalBatch: 4096, stepsPerEpoch: 312, totalSteps: 249_600, epochs: 800, warmupSteps: 12_480, workers: 0 });
  expect(plan.learningRate).toBeCloseTo(2.4e-3, 10);
  // timm counts 303,301,632 with the position table of 197 x 1024, which has no parameters here.
  expect(plan.encoderParameters).toBe(303_301_632 - 197 * 1024);
  expect(plan.parameters).toBeGreaterThan(plan.encoderParameters);
  expect(plan).not.toHaveProperty('seconds');
  expect(planWarnings(plan, paper)).toEqual([]);
});

test('a rate far from that of the recipe, and few steps, are told', () => {
  const spec = parseJobSpec({ data, schedule: { epochs: 1, microBatch: 8 } });
  const plan = planJob(spec, { samples: 640, workers: [] });
  expect(plan).toMatchObject({ learningRate: 3.75e-5, totalSteps: 10 });
  expect(planWarnings(plan, spec)).toEqual([
    "schedule.baseLr: the learning rate becomes 3.75e-5 (1.5e-4 x batch 64 / 256), 64 times below the paper's 2.4e-3 at batch 4096; " +
      "a short run then learns little: baseLr 4.8e-3 gives half the paper's",
    'schedule: 10 steps in all are few to learn anything; give more epochs, or a smaller batch than 64',
  ]);
  const high = parseJobSpec({ data, schedule: { steps: 1000, microBatch: 64, baseLr: 0.01 } });
  expect(planWarnings(planJob(high, { samples: undefined, workers: [] }), high)).toEqual([expect.stringContaining('8 times above')]);
});

test('time is by the workers at hand that the job can use, and by an earlier job where there was one', () => {
  const spec = parseJobSpec({ data, model: { preset: 'mae_vit_tiny_patch4' }, schedule: { steps: 100 }, resources: { maxWorkers: 2 } });
  const seconds = (workers: { device: string; threads: number }[], measuredSpeed?: number) =>
    planJob(spec, { samples: undefined, workers, measuredSpeed });
  const one = seconds([cpu(1)]);
  expect(one).toMatchObject({ workers: 1, secondsBy: 'guess' });
  expect(seconds([cpu(1), cpu(1), cpu(1), { device: 'cuda', threads: 1 }])).toMatchObject({ workers: 2, seconds: one.seconds! / 2 });
  expect(seconds([cpu(4)], 15e9)).toMatchObject({ secondsBy: 'earlierJob', seconds: one.seconds! * 2 });
  const cuda = parseJobSpec({ data, schedule: { steps: 100 }, resources: { device: 'cuda' } });
  expect(planJob(cuda, { samples: undefined, workers: [{ device: 'cuda', threads: 1 }] })).not.toHaveProperty('seconds');
});

test('memory is near what was measured: 514 MB for the tiny preset with 64 images, 4.0 GB for ViT-B with 4', () => {
  const memory = (model: object, microBatch: number) =>
    planJob(parseJobSpec({ data, model, schedule: { steps: 1, microBatch }, resources: { virtualRanks: 2 } }), {
      samples: undefined,
      workers: [cpu(1), cpu(1)],
    }).memoryBytes / 1e6;
  const isNear = (found: number, measured: number) => found > 0.8 * measured && found < 1.25 * measured;
  expect(isNear(memory({ preset: 'mae_vit_tiny_patch4', channels: 3 }, 64), 514)).toBe(true);
  expect(isNear(memory({ preset: 'mae_vit_base_patch16' }, 4), 4000)).toBe(true);
});
