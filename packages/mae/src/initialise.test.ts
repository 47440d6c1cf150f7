import { expect, test } from '@jest/globals';
import { flatLayout } from '@maestro/tensors';
import { encoderPositions, sinCosPositions } from '@maestro/vit';
import { decoderPositions } from './decoderPositions.ts';
import { maeConfig, parameterSpecs } from './index.ts';
import { initParameters, initTensor } from './initialise.ts';

const config = maeConfig({ preset: 'mae_vit_tiny_patch4' });
const layout = flatLayout(parameterSpecs(config));
const parameters = initParameters(config, layout, 7);
const tensor = (name: string) => {
  const { offset, size } = layout.tensors.find((candidate) => candidate.name === name)!;
  return parameters.subarray(offset, offset + size);
};
const deviation = (values: Float32Array) => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);

test('linear weights are Xavier-uniform, with qkv taken as one layer and the patch embedding as [D, C * p * p]', () => {
  for (const [name, inputs, outputs] of [
    ['blocks.0.attn.qkv.weight', 192, 576],
    ['blocks.3.mlp.fc1.weight', 192, 768],
    ['patch_embed.proj.weight', 16, 192],
  ] as const) {
    const bound = Math.sqrt(6 / (inputs + outputs));
    const values = tensor(name);
    expect(values.reduce((most, value) => Math.max(most, Math.abs(value)), 0)).toBeLessThanOrEqual(bound);
    expect(deviation(values) / (bound / Math.sqrt(3))).toBeCloseTo(1, 1);
  }
});

test('tokens are N(0, 0.02), norms 1 and 0, biases 0 but for the patch embedding', () => {
  expect(deviation(tensor('cls_token')) / 0.02).toBeCloseTo(1, 0);
  expect(tensor('norm.weight').every((value) => value === 1)).toBe(true);
  expect(tensor('norm.bias').every((value) => value === 0)).toBe(true);
  expect(tensor('blocks.1.mlp.fc2.bias').every((value) => value === 0)).toBe(true);
  const patchBias = tensor('patch_embed.proj.bias');
  expect(Math.max(...patchBias)).toBeLessThanOrEqual(0.25); // 1 / sqrt(1 * 4 * 4)
  expect(deviation(patchBias) / (0.25 / Math.sqrt(3))).toBeCloseTo(1, 0);
});

test('a seed gives the same parameters every time, one tensor at a time or all at once, and another seed gives others', () => {
  const isSame = (others: Float32Array) => Buffer.from(others.buffer).equals(Buffer.from(parameters.buffer));
  expect(isSame(initParameters(config, layout, 7))).toBe(true);
  expect(isSame(initParameters(config, layout, 8))).toBe(false);
  const index = layout.tensors.findIndex(({ name }) => name === 'decoder_pred.weight');
  const alone = new Float32Array(layout.tensors[index]!.size);
  initTensor({ config, tensor: layout.tensors[index]!, index, seed: 7 }, alone);
  expect(alone).toEqual(tensor('decoder_pred.weight'));
});

test('the position table has a zero class row and puts the column first', () => {
  const width = 8;
  const table = sinCosPositions({ gridSize: 3, width });
  const row = (index: number) => [...table.subarray(index * width, (index + 1) * width)].map((value) => Number(value.toFixed(6)));
  expect(row(0)).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
  expect(row(1)).toEqual([0, 0, 1, 1, 0, 0, 1, 1]); // column 0, row 0
  expect(row(2)).toEqual([0.841471, 0.01, 0.540302, 0.99995, 0, 0, 1, 1]); // column 1, row 0
  expect(row(4)).toEqual([0, 0, 1, 1, 0.841471, 0.01, 0.540302, 0.99995]); // column 0, row 1
  expect(encoderPositions(config).length).toBe(65 * 192);
  expect(decoderPositions(config).length).toBe(65 * 96);
});
