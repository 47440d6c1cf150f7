import { randomStream } from '@maestro/random';

const PATCH_BITS = 2 ** 20;

/**
 * Draws one sample's noise (24 random bits per patch, purpose 'mask') and writes its stable ascending argsort to words `offset`.. of
 * `out`, as little-endian 64-bit integers in pairs of 32-bit words. `keys` is scratch of one number per patch.
 */
export function drawIdsShuffle(
  address: {
    readonly seed: number;
    readonly epoch: number;
    readonly index: number;
  },
  keys: Float64Array,
  out: Int32Array,
  offset: number,
): void {
  const random = randomStream({ ...address, purpose: 'mask' });
  // Noise and patch in one exact number (24 + 20 bits): the engine's numeric sort then is the stable argsort, with nothing allocated.
  for (let patch = 0; patch < keys.length; patch++) keys[patch] = (random.uint32() >>> 8) * PATCH_BITS + patch;
  keys.sort();
  for (let place = 0; place < keys.length; place++) {
    out[offset + 2 * place] = keys[place]! % PATCH_BITS;
    out[offset + 2 * place + 1] = 0;
  }
}
