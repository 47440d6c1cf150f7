import { expect, test } from '@jest/globals';
import { openXxh3 } from './xxh3.ts';

/** The input of xxHash's own tests (tests/sanity_test.c). */
function sanityBuffer(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let generator = 2654435761n;
  for (let i = 0; i < length; i++) {
    bytes[i] = Number(generator >> 56n);
    generator = BigInt.asUintN(64, generator * 11400714785074694797n);
  }
  return bytes;
}

const text = ([high, low]: readonly [number, number]): string => high.toString(16).padStart(8, '0') + low.toString(16).padStart(8, '0');

test('hashes are those that xxHash publishes, for every way in which a length is hashed', () => {
  const bytes = sanityBuffer(VECTORS.at(-1)![0]);
  const hash = openXxh3();
  for (const [length, expected] of VECTORS) {
    expect([length, text(hash(bytes.subarray(0, length)))]).toEqual([length, expected]);
    const moved = new Uint8Array(new SharedArrayBuffer(length + 9)).subarray(3, 3 + length);
    moved.set(bytes.subarray(0, length));
    expect([length, text(hash(moved))]).toEqual([length, expected]);
  }
});

/** Up to 2,367 bytes as in sanity_test_vectors.h (XXH3_64bits, seed 0); the longer ones by xxHash 0.8.4 of the same input. */
const VECTORS: readonly (readonly [length: number, hash: string])[] = [
  [0, '2d06800538d394c2'],
  [1, 'c44bdff4074eecdb'],
  [2, '7a9978044cb8a8bb'],
  [3, '54247382a8d6b94d'],
  [4, 'e5dc74bc51848a51'],
  [6, '27b56a84cd2d7325'],
  [8, '24ccc9acaa9f65e4'],
  [9, '14d5001c15dd3f2b'],
  [12, 'a713daf0dfbb77e7'],
  [16, '981b17d36c7498c9'],
  [17, '796f5acd3a60f862'],
  [24, 'a3fe70bf9d3510eb'],
  [32, '9feaddbdbf57eed3'],
  [33, 'abfb2d081b400a10'],
  [48, '397da259ecba1f11'],
  [64, '9cb48487720ec49d'],
  [65, 'fd81aac4bebc3883'],
  [80, 'bcdefbbb2c47c90a'],
  [96, '935a769a7f94776f'],
  [97, 'ca4ca268fd3c3a6c'],
  [128, 'fcff24126754d861'],
  [129, '98f1b0a679a2ca29'],
  [144, 'c440d47e5f03fe58'],
  [195, 'cd94217ee362ec3a'],
  [240, '81c3c2b67f568ccf'],
  [241, 'c5a639ecd2030e5e'],
  [403, 'cdeb804d65c6dea4'],
  [512, '617e49599013cb6b'],
  [1024, 'dd85c9b5c1109c5c'],
  [1025, 'd870c0fa13211c6a'],
  [2048, 'dd59e2c3a5f038e0'],
  [2240, '6e73a90539cf2948'],
  [2367, 'cb37aeb9e5d361ed'],
  [16_384, 'edd17b079a94769e'],
  [16_385, 'cc7d15ef1cc53611'],
  [16_447, 'e03645dedabfc3c5'],
  [16_448, '9d97db23df6a649b'],
  [16_449, '089911dc78ea9061'],
  [32_768, '8300223832f21fd8'],
  [32_769, '2ba67456155e720e'],
  [196_608, 'fa941f19f67a50ff'],
];
