import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { learningRateAt } from '@maestro/data';
import { buildOptimizerModel } from '@maestro/optim';
import { flatLayout, parameterSpec } from '@maestro/tensors';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { parameterFeeds } from '../support/model/parameterFeeds.ts';
import { fixtureUrl } from './readFixture.ts';

const { learningRates, adamW } = JSON.parse(readFileSync(fixtureUrl('recipe.json'), 'utf8'));

test('the learning rate of the paper agrees with the reference at every moment', () => {
  const rates = learningRates.at.map((epoch: number) => learningRateAt(learningRates, epoch));
  rates.forEach((rate: number, i: number) => {
    expect(rate).toBeCloseTo(learningRates.rates[i], 15);
  });
});

test('the optimizer model walks the road of torch.optim.AdamW, with and without decay', async () => {
  const size = adamW.start[0].length;
  const layout = flatLayout(adamW.weightDecay.map((decay: number, i: number) => parameterSpec(`p${i}`, [size], { decay: decay > 0 })));
  const flat = (rows: number[][]) => {
    const values = new Float32Array(layout.length);
    for (const [i, row] of rows.entries()) values.set(row, layout.tensors[i]!.offset);
    return values;
  };
  const session = await InferenceSession.create(buildOptimizerModel(layout.tensors), { intraOpNumThreads: 1 });
  const state = { '': flat(adamW.start), 'exp_avg.': flat([]), 'exp_avg_sq.': flat([]) };
  for (const [i, step] of adamW.steps.entries()) {
    const feeds = {
      ...Object.assign({}, ...Object.entries(state).map(([prefix, values]) => parameterFeeds(layout, values, prefix))),
      ...parameterFeeds(layout, flat(step.gradients), 'grad.'),
      lr: new Tensor('float64', Float64Array.of(step.lr), []),
      step: new Tensor('int64', BigInt64Array.of(BigInt(i + 1)), []),
    };
    const prefixes = ['', 'exp_avg.', 'exp_avg_sq.'] as const;
    const names = prefixes.flatMap((prefix) => layout.tensors.map(({ name }) => `next.${prefix}${name}`));
    const results = await session.run(feeds, names);
    const expected = { '': step.parameters, 'exp_avg.': step.firstMoments, 'exp_avg_sq.': step.secondMoments };
    for (const prefix of prefixes) {
      for (const [at, { name, offset }] of layout.tensors.entries()) {
        const found = results[`next.${prefix}${name}`]!.data as Float32Array;
        state[prefix].set(found, offset);
        found.forEach((value, j) => {
          const wanted = expected[prefix][at][j];
          expect(Math.abs(value - wanted)).toBeLessThanOrEqual(1e-6 * Math.abs(wanted) + 1e-7);
        });
      }
    }
  }
  await session.release();
});
