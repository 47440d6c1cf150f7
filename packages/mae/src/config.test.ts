import { expect, test } from '@jest/globals';
import type { PresetName } from '@maestro/protocol';
import { flatLayout } from '@maestro/tensors';
import { patchCount } from '@maestro/vit';
import { forwardFlops, isEncoderParameter, keptPatches, maeConfig, parameterSpecs } from './index.ts';
import { PRESETS } from './presets.ts';

const sizeOf = ({ shape }: { shape: readonly number[] }) => shape.reduce((product, dim) => product * dim, 1);
const total = (specs: readonly { shape: readonly number[] }[]) => specs.reduce((sum, spec) => sum + sizeOf(spec), 0);

test.each([
  ['mae_vit_base_patch16', 111_907_840, 111_655_680, 85_798_656],
  ['mae_vit_large_patch16', 329_541_888, 329_239_296, 303_301_632],
  ['mae_vit_huge_patch14', 657_074_508, 656_613_964, 630_764_800],
] as const)('%s has the published numbers of parameters', (preset, all, trainable, encoder) => {
  const config = maeConfig({ preset });
  const specs = parameterSpecs(config);
  const tokens = patchCount(config) + 1;
  expect(total(specs)).toBe(trainable);
  expect(total(specs) + tokens * (config.embedDim + config.decoderEmbedDim)).toBe(all);
  expect(total(specs.filter(isEncoderParameter)) + tokens * config.embedDim).toBe(encoder);
});

test('the flat layout aligns every tensor, keeps them apart, and puts the encoder first', () => {
  const { tensors, length } = flatLayout(parameterSpecs(maeConfig({ preset: 'mae_vit_tiny_patch4' })));
  expect(length % 16).toBe(0);
  expect(tensors.every(({ offset }) => offset % 16 === 0)).toBe(true);
  tensors.forEach((tensor, i) => {
    expect(tensor.size).toBe(sizeOf(tensor));
    expect(tensor.offset + tensor.size).toBeLessThanOrEqual(tensors[i + 1]?.offset ?? length);
  });
  const firstDecoder = tensors.findIndex((tensor) => !isEncoderParameter(tensor));
  expect(tensors.slice(firstDecoder).some(isEncoderParameter)).toBe(false);
});

test('weight decay spares biases and norms, and only those', () => {
  const specs = parameterSpecs(maeConfig({ preset: 'mae_vit_tiny_patch4' }));
  const [decay, noDecay] = [true, false].map((decays) => specs.filter((spec) => spec.decay === decays)) as [typeof specs, typeof specs];
  expect(decay.map(({ name }) => name)).toEqual(expect.arrayContaining(['cls_token', 'mask_token', 'patch_embed.proj.weight']));
  expect(noDecay.every(({ name }) => name.endsWith('.bias') || /norm\d?\.weight$/.test(name))).toBe(true);
  expect(decay.some(({ name }) => name.endsWith('.bias') || name.includes('norm'))).toBe(false);
});

test.each([
  [224, 16, 0.75, 49],
  [224, 14, 0.75, 64],
  [28, 4, 0.75, 12],
  [40, 4, 0.9, 9],
  [20, 4, 0.8, 4],
])('%i pixels in patches of %i at mask ratio %d keep %i patches', (imageSize, patchSize, maskRatio, kept) => {
  expect(keptPatches({ imageSize, patchSize, maskRatio })).toBe(kept);
});

test('a configuration that cannot be trained is refused with the field, what was found and what is allowed', () => {
  const tiny = { preset: 'mae_vit_tiny_patch4' } as const;
  const refused = (options: Parameters<typeof maeConfig>[0], message: string) => expect(() => maeConfig(options)).toThrow(message);
  refused({ preset: 'vit' as PresetName }, `model.preset: expected one of ${Object.keys(PRESETS).join(', ')}, found "vit"`);
  refused({ ...tiny, patchSize: 5 }, 'model.imageSize: expected a multiple of patchSize (5), found 32');
  refused({ ...tiny, numHeads: 5 }, 'model.embedDim: expected a multiple of numHeads (5), found 192');
  refused({ ...tiny, decoderEmbedDim: 30 }, 'model.decoderEmbedDim: expected a multiple of 4');
  refused(
    { ...tiny, mlpRatio: 0.001 },
    'model.mlpRatio: expected a positive number that gives a whole hidden width over embedDim (192), found 0.001',
  );
  refused({ ...tiny, maskRatio: 0 }, 'model.maskRatio: expected a number between 0 and 1, both excluded, found 0');
  refused({ ...tiny, maskRatio: 0.99 }, 'removes at least one of the 64 patches (this one keeps 0), found 0.99');
  refused({ ...tiny, masking: 'grid' as 'random' }, 'model.masking: expected random, found "grid"');
  refused({ ...tiny, depth: 1.5 }, 'model.depth: expected a positive integer, found 1.5');
  refused({ imageSize: 32 }, 'model.channels: expected a positive integer, found nothing');
});

test('fields override the preset, and fields left undefined do not', () => {
  const config = maeConfig({ preset: 'mae_vit_tiny_patch4', channels: 3, maskRatio: undefined });
  expect(config).toMatchObject({ channels: 3, maskRatio: 0.75, embedDim: 192, normPixLoss: true });
});

test.each([
  ['mae_vit_base_patch16', 2.35, 3.56],
  ['mae_vit_large_patch16', 3.23, 3.87],
  ['mae_vit_huge_patch14', 3.59, 3.97],
] as const)('%s: encoding mask tokens costs as much more as the paper says', (preset, eightBlocks, oneBlock) => {
  const config = maeConfig({ preset });
  const ratio = (decoderDepth: number) =>
    forwardFlops({ ...config, decoderDepth }, { encodesMaskTokens: true }).total / forwardFlops({ ...config, decoderDepth }).total;
  expect(ratio(8)).toBeCloseTo(eightBlocks, 2);
  expect(ratio(1)).toBeCloseTo(oneBlock, 2);
});

test('the default decoder of ViT-L has 9 % of the encoder FLOPs per token', () => {
  const config = maeConfig({ preset: 'mae_vit_large_patch16' });
  const { encoder } = forwardFlops(config, { encodesMaskTokens: true }); // as many tokens as the decoder has
  expect(forwardFlops(config).decoder / encoder).toBeCloseTo(0.087, 3); // He et al. 2021, section 4.1
});
