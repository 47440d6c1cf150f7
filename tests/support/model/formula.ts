import { drawIdsShuffle, type MaeConfig } from '@maestro/mae';
import type { FlatLayout } from '@maestro/tensors';
import { patchCount } from '@maestro/vit';

const { imul, sqrt } = Math;

/** Streams of images and masking noise; parameters use their index in the layout. As in tests/conformance/reference.py. */
const IMAGES_STREAM = 1000;
const NOISE_STREAM = 1001;

/**
 * Returns element `index` of a stream of numbers in [0, 1) that Python computes identically (`hashed` in tests/conformance/reference.py),
 * so that both sides of a comparison have the same weights and images without a file.
 */
export function hashed(stream: number, index: number): number {
  let h = (imul(index, 0x9e3779b9) + imul(stream, 0x85ebca6b)) | 0;
  h ^= h >>> 16;
  h = imul(h, 0x7feb352d);
  h ^= h >>> 15;
  h = imul(h, 0x846ca68b);
  h ^= h >>> 16;
  return (h >>> 8) / 2 ** 24;
}

/**
 * Returns parameters of a sensible size without zeros, so that every gradient is exercised: a flat vector of `layout.length`, or `out`,
 * filled.
 */
export function formulaParameters({ tensors, length }: FlatLayout, out: Float32Array = new Float32Array(length)): Float32Array {
  for (const [stream, { name, shape, offset, size }] of tensors.entries()) {
    const isNorm = shape.length === 1 && name.endsWith('.weight');
    const scale = name.endsWith('_token') ? 0.05 : shape.length > 1 ? sqrt(6 / (size / shape[0]! + shape[0]!)) : 0.1;
    for (let i = 0; i < size; i++) {
      const value = scale * (2 * hashed(stream, i) - 1);
      out[offset + i] = isNorm ? 1 + value : value;
    }
  }
  return out;
}

/** Inputs of a model. */
export interface FormulaInputs {
  /** [count, C, H, W], uniform in [-2, 2). */
  readonly images: Float32Array;
  /** [count, L] */
  readonly idsShuffle: BigInt64Array;
}

/** Returns images and shuffled patch orders by the formulas of tests/conformance/reference.py. */
export function formulaInputs(config: MaeConfig, count: number): FormulaInputs {
  const pixels = count * config.channels * config.imageSize ** 2;
  const images = Float32Array.from({ length: pixels }, (_, i) => 4 * hashed(IMAGES_STREAM, i) - 2);
  const patches = patchCount(config);
  const noise = Float32Array.from({ length: count * patches }, (_, i) => hashed(NOISE_STREAM, i));
  const idsShuffle = new BigInt64Array(count * patches);
  for (let start = 0; start < idsShuffle.length; start += patches) {
    drawIdsShuffle({ noise: noise.subarray(start, start + patches) }, idsShuffle.subarray(start, start + patches));
  }
  return { images, idsShuffle };
}
