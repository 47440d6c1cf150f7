import { Worker } from 'node:worker_threads';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  addFloats,
  blockSumSquares,
  copyFloats,
  copyRange,
  maxSegmentFloats,
  openArena,
  openSegments,
  planSegments,
  SUM_SQUARES_BLOCK,
  sliceParts,
} from './index.ts';

/** Tensors of random sizes, offsets at multiples of 16, as in a flat layout. */
const layouts = fc.array(fc.integer({ min: 1, max: 500 }), { minLength: 1, maxLength: 20 }).map((sizes) => {
  let length = 0;
  const tensors = sizes.map((size, i) => {
    const offset = length;
    length += Math.ceil(size / 16) * 16;
    return { name: `t${i}`, offset };
  });
  return { tensors, length };
});

test('segments cover the vector in order, hold at most the cap, and never split a tensor', () => {
  fc.assert(
    fc.property(layouts, fc.integer({ min: 512, max: 4096 }), ({ tensors, length }, maxFloats) => {
      const { segments } = planSegments({ tensors, length, maxFloats });
      let next = 0;
      for (const segment of segments) {
        expect(segment.start).toBe(next);
        expect(segment.length).toBeGreaterThan(0);
        expect(segment.length).toBeLessThanOrEqual(maxFloats);
        expect(tensors.some(({ offset }) => offset === segment.start)).toBe(true);
        next += segment.length;
      }
      expect(next).toBe(length);
    }),
  );
});

test('a tensor larger than a segment is refused by name', () => {
  const tensors = [
    { name: 'small', offset: 0 },
    { name: 'large', offset: 16 },
  ];
  expect(() => planSegments({ tensors, length: 1040, maxFloats: 512 })).toThrow('large has 1024 floats, a segment holds 512');
});

test('as many vectors as maxSegmentFloats allows for fit one memory, and no more', () => {
  const open = (length: number) =>
    openSegments({ plan: { length, segments: [{ start: 0, length }] }, vectors: ['a', 'b', 'c'], scratch: { staging: 1000 } });
  const most = maxSegmentFloats(3, { staging: 1000 });
  expect(open(most).vectors.c.length).toBe(most);
  expect(() => open(most + 16)).toThrow('a memory holds 4 GiB; split them into segments');
});

test('copying and adding give the same floats under any cut', () => {
  fc.assert(
    fc.property(layouts, fc.integer({ min: 512, max: 4096 }), ({ tensors, length }, maxFloats) => {
      const plan = planSegments({ tensors, length, maxFloats });
      const { vectors } = openSegments({ plan, vectors: ['a', 'b'] });
      const a = Float32Array.from({ length }, (_, i) => Math.sin(i));
      const b = Float32Array.from({ length }, (_, i) => Math.cos(i));
      copyFloats(vectors.a, a);
      copyFloats(vectors.b, b);
      addFloats(vectors.a, vectors.b);
      const whole = openSegments({ plan: planSegments({ tensors, length, maxFloats: length }), vectors: ['sum'] }).vectors.sum;
      copyFloats(whole, vectors.a);
      expect(whole.parts[0]!.floats).toEqual(a.map((value, i) => Math.fround(value + b[i]!)));
    }),
    { numRuns: 30 },
  );
});

test('a slice of a segmented vector is exactly the asked elements', () => {
  const tensors = [0, 32, 64, 96].map((offset) => ({ name: `t${offset}`, offset }));
  const { vectors } = openSegments({ plan: planSegments({ tensors, length: 128, maxFloats: 40 }), vectors: ['v'] });
  copyFloats(
    vectors.v,
    Float32Array.from({ length: 128 }, (_, i) => i),
  );
  const parts = sliceParts(vectors.v, 20, 60);
  expect(parts.map(({ start }) => start)).toEqual([20, 32, 64]);
  expect(parts.flatMap(({ floats }) => [...floats])).toEqual(Array.from({ length: 60 }, (_, i) => 20 + i));
  expect(() => sliceParts(vectors.v, 100, 29)).toThrow('100 + 29 lies outside a vector of 128');
});

test('block sums of squares do not depend on segments, nor on who sums which blocks', () => {
  const length = 3 * SUM_SQUARES_BLOCK + 48;
  const values = Float32Array.from({ length }, (_, i) => Math.sin(i * 1.7) * 10 ** ((i % 5) - 2));
  const sums = [1, 3, 17].map((pieces) => {
    const size = Math.ceil(length / pieces / 16) * 16;
    const tensors = Array.from({ length: pieces }, (_, i) => ({ name: `t${i}`, offset: i * size }));
    const { vectors } = openSegments({ plan: planSegments({ tensors, length, maxFloats: size }), vectors: ['v'] });
    copyFloats(vectors.v, values);
    const out = new Float64Array(4);
    blockSumSquares(vectors.v, 0, SUM_SQUARES_BLOCK, out);
    blockSumSquares(vectors.v, SUM_SQUARES_BLOCK, length - SUM_SQUARES_BLOCK, out.subarray(1));
    return [...out];
  });
  expect(sums[1]).toEqual(sums[0]);
  expect(sums[2]).toEqual(sums[0]);
  let direct = 0;
  for (let i = 0; i < SUM_SQUARES_BLOCK; i++) direct += values[i]! ** 2;
  expect(sums[0]![0]! / direct).toBeCloseTo(1, 12);
});

test('another thread opens the same shared vectors from their description', async () => {
  const tensors = [
    { name: 'a', offset: 0 },
    { name: 'b', offset: 64 },
  ];
  const plan = planSegments({ tensors, length: 128, maxFloats: 64 });
  const { vectors, description } = openSegments({ plan, vectors: ['partial', 'reduced'], scratch: { staging: 32 }, shared: true });
  const worker = new Worker(
    `const { parentPort, workerData } = require('node:worker_threads');
     import(workerData.index).then(({ openSegments }) => {
       const { vectors, arenas } = openSegments(workerData.description);
       vectors.reduced.parts.forEach(({ floats }, k) => floats.fill(k + 1));
       parentPort.postMessage(arenas.length);
     });`,
    { eval: true, workerData: { index: new URL('./index.js', import.meta.url).href, description } },
  );
  expect(await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject))).toBe(2);
  expect(vectors.reduced.parts.map(({ floats }) => [...new Set(floats)])).toEqual([[1], [2]]);
  expect(vectors.partial.parts.map(({ floats }) => [...new Set(floats)])).toEqual([[0], [0]]);
  await worker.terminate();
});

test('an arena names ranges, aligns them to 64 bytes, and refuses a memory that is too small', () => {
  const { memory, ranges } = openArena({ ranges: { a: 3, b: 17 } });
  expect([ranges.a.byteOffset % 64, ranges.b.byteOffset % 64, ranges.b.length]).toEqual([0, 0, 17]);
  expect(() => openArena({ ranges: { a: 100_000 }, memory })).toThrow('openArena: the ranges take');
  expect(() => openArena({ ranges: { a: -1 } })).toThrow('the length of a must be a count, found -1');
});

test('a range is copied between vectors of any cut, and nothing beside it', () => {
  const ranges = fc
    .tuple(fc.integer({ min: 0, max: 1000 }), fc.integer({ min: 0, max: 1000 }))
    .map(([a, b]) => [Math.min(a, b), Math.max(a, b)]);
  fc.assert(
    fc.property(layouts, ranges, fc.constantFrom('vector', 'array'), ({ tensors, length }, [a, b], kind) => {
      const { vectors } = openSegments({ plan: planSegments({ tensors, length, maxFloats: 512 }), vectors: ['from', 'to'] });
      const values = Float32Array.from({ length }, (_, i) => i + 1);
      copyFloats(vectors.from, values);
      const range = { first: Math.min(a!, length), length: Math.min(b!, length) - Math.min(a!, length) };
      const piece = new Float32Array(range.length);
      copyRange(piece, vectors.from, range);
      copyRange(vectors.to, kind === 'vector' ? vectors.from : piece, range);
      const found = new Float32Array(length);
      copyFloats(found, vectors.to);
      expect(found).toEqual(values.map((value, i) => (i >= range.first && i < range.first + range.length ? value : 0)));
    }),
  );
});
