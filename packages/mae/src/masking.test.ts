import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { drawIdsShuffle, drawMaskNoise, idsRestore } from './masking.ts';

const shuffle = (noise: number[]) => {
  const out = new BigInt64Array(noise.length);
  drawIdsShuffle({ noise: Float32Array.from(noise) }, out);
  return [...out].map(Number);
};

test('idsShuffle is the stable argsort of the noise, whatever the noise', () => {
  expect(shuffle([0.3, 0.1, 0.3, 0.2, 0.1])).toEqual([1, 4, 3, 0, 2]);
  fc.assert(
    fc.property(fc.array(fc.float({ noNaN: true }), { minLength: 1, maxLength: 260 }), (noise) => {
      const order = noise.map((_, patch) => patch).sort((a, b) => noise[a]! - noise[b]! || a - b);
      // Infinity - Infinity is NaN, which || takes for a tie: the same as equal noise.
      return shuffle(noise).every((patch, place) => patch === order[place]);
    }),
  );
});

test('idsRestore undoes idsShuffle', () => {
  const ids = BigInt64Array.from(shuffle([0.9, 0.2, 0.5, 0.1]).map(BigInt));
  const restore = idsRestore(ids);
  expect([...restore].map((place) => ids[Number(place)])).toEqual([0n, 1n, 2n, 3n]);
});

test('the noise of a sample depends on seed, epoch and index alone', () => {
  const noise = (address: Parameters<typeof drawMaskNoise>[0]) => {
    const out = new Float32Array(64);
    drawMaskNoise(address, out);
    return out;
  };
  const base = noise({ seed: 1, epoch: 2, index: 3 });
  expect(noise({ seed: 1, epoch: 2, index: 3 })).toEqual(base);
  for (const other of [{ seed: 2 }, { epoch: 3 }, { index: 4 }]) expect(noise({ seed: 1, epoch: 2, index: 3, ...other })).not.toEqual(base);
  expect(base.every((value) => value >= 0 && value < 1)).toBe(true);
});

test('over many samples every patch is kept equally often', () => {
  const patches = 64;
  const samples = 4000;
  const kept = new Float64Array(patches);
  const noise = new Float32Array(patches);
  const ids = new BigInt64Array(patches);
  for (let index = 0; index < samples; index++) {
    drawMaskNoise({ seed: 0, epoch: 0, index }, noise);
    drawIdsShuffle({ noise }, ids);
    for (const patch of ids.subarray(0, 16)) kept[Number(patch)]!++;
  }
  const deviation = Math.sqrt(samples * 0.25 * 0.75);
  for (const count of kept) expect(Math.abs(count - samples / 4)).toBeLessThan(4.5 * deviation);
});

test('an output of the wrong length is refused', () => {
  expect(() => drawIdsShuffle({ noise: new Float32Array(4) }, new BigInt64Array(3))).toThrow(
    'expected out and keys of 4 elements, found 3 and 4',
  );
});
