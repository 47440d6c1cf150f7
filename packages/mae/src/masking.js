import { MaestroError } from '@maestro/protocol';
import { randomStream } from '@maestro/random';
/** Fills `noise` with one uniform number per patch, a pure function of the address: no restart or worker can change a mask. */
export function drawMaskNoise({ seed, epoch, index }, noise) {
  const stream = randomStream({ seed, purpose: 'mask', epoch, index });
  for (let patch = 0; patch < noise.length; patch++) noise[patch] = stream.uniform();
}
/**
 * Orders the patches by ascending noise, equal noise by patch: the first `keptPatches` of the order are kept, the rest are removed.
 *
 * @param noise one number per patch, float32 [L]; not NaN.
 * @param out int64 [L], receives idsShuffle: out[j] is the patch at place j of the shuffled order.
 * @param keys scratch of L float64 elements; pass one to allocate nothing.
 * @throws MaestroError `invalid-argument` when `out` or `keys` is not as long as `noise`.
 */
export function drawIdsShuffle({ noise, keys = new Float64Array(noise.length) }, out) {
  const length = noise.length;
  if (out.length !== length || keys.length !== length) {
    throw new MaestroError(
      'invalid-argument',
      `drawIdsShuffle: expected out and keys of ${length} elements, found ${out.length} and ${keys.length}`,
    );
  }
  // Noise and patch make one exact float64 key (32 + 21 bits), so that the native sort of numbers is a stable argsort.
  for (let patch = 0; patch < length; patch++) keys[patch] = orderedBits(noise[patch]) * PLACES + patch;
  keys.sort();
  for (let place = 0; place < length; place++) out[place] = BigInt(keys[place] % PLACES);
}
/** The inverse of an order: `out[idsShuffle[j]] = j`, which puts shuffled patches back in their places. */
export function idsRestore(idsShuffle, out = new BigInt64Array(idsShuffle.length)) {
  for (let place = 0; place < idsShuffle.length; place++) out[Number(idsShuffle[place])] = BigInt(place);
  return out;
}
const PLACES = 2 ** 21;
const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);
/** An unsigned 32-bit integer that orders as the float does; the two zeros are one. */
function orderedBits(value) {
  float[0] = value + 0;
  const word = bits[0];
  return word & 0x80000000 ? ~word >>> 0 : word + 0x80000000;
}
//# sourceMappingURL=masking.js.map
