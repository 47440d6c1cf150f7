import { expect, test } from '@jest/globals';
import { SUM_SQUARES_BLOCK } from '@maestro/kernels';
import { maeConfig, parameterSpecs } from '@maestro/mae';
import { parseJobSpec } from '@maestro/protocol';
import { flatLayout } from '@maestro/tensors';
import { gradientStages } from './gradientStages.ts';

const layoutOf = (model: object) =>
  flatLayout(parameterSpecs(maeConfig(parseJobSpec({ model, data: { format: 'idx', path: '/i' }, schedule: { steps: 1 } }).model)))
    .trainable;

test.each([
  [{ preset: 'mae_vit_base_patch16' }, 4],
  [{ preset: 'mae_vit_tiny_patch4' }, 4],
  [{ preset: 'mae_vit_tiny_patch4', embedDim: 120, depth: 3, decoderEmbedDim: 64, decoderDepth: 2, decoderNumHeads: 2 }, 2],
  // One tensor reaches over all places where it could be cut.
  [
    {
      preset: 'mae_vit_tiny_patch4',
      patchSize: 128,
      imageSize: 256,
      embedDim: 768,
      depth: 1,
      numHeads: 3,
      decoderEmbedDim: 24,
      decoderDepth: 1,
    },
    2,
  ],
  [{ preset: 'mae_vit_tiny_patch4', embedDim: 48, depth: 2 }, 0],
  [{ preset: 'mae_vit_tiny_patch4', embedDim: 48, depth: 1, decoderEmbedDim: 24, decoderDepth: 1 }, 0],
] as const)('%j has %i stages, which cover the gradient from its end to its beginning', (model, count) => {
  const layout = layoutOf(model);
  const stages = gradientStages(layout);
  expect(stages).toHaveLength(count);
  if (count === 0) return;
  let end = layout.length;
  const done = new Set<string>();
  for (const { range, parameters } of stages) {
    expect(range.first % SUM_SQUARES_BLOCK).toBe(0);
    expect(range.first + range.length).toBe(end);
    end = range.first;
    expect(parameters).not.toEqual([]);
    for (const name of parameters) {
      expect(done.has(name)).toBe(false);
      done.add(name);
    }
    // Whatever lies in the range, also in part, is complete after the stage.
    for (const { name, offset, size } of layout.tensors) if (offset + size > range.first) expect(done.has(name)).toBe(true);
  }
  expect(end).toBe(0);
  expect(done.size).toBe(layout.tensors.length);
});
