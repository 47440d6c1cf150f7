import { readFile } from 'node:fs/promises';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { compileKernels } from './compileKernels.ts';
import { sumLanes } from './index.ts';
import { openJavaScriptKernels } from './javaScriptKernels.ts';
import { type Kernels, openKernels } from './kernels.ts';
import { type WasmMemory, webAssembly } from './webAssembly.ts';

const LENGTH = 1024; // float32 elements a range; each range starts at a multiple of 4 * LENGTH bytes
const RANGES = 5;

/** Runs `use` on the WebAssembly kernels and on the twin, over memories with the same random words, and compares all bytes. */
function expectSameBits(words: readonly number[], shared: boolean, use: (kernels: Kernels) => void): void {
  const [wasm, javaScript] = [openKernels, openJavaScriptKernels].map((open) => {
    const memory = new webAssembly.Memory({ initial: 1, maximum: 1, shared });
    fill(memory, words);
    use(open(memory));
    return canonical(memory.buffer);
  });
  expect(Buffer.compare(wasm!, javaScript!)).toBe(0);
}

/** Fills a memory with `words`, otherwise aligned in each range. */
function fill(memory: WasmMemory, words: readonly number[]): void {
  const target = new Uint32Array(memory.buffer);
  for (let i = 0; i < target.length; i++) target[i] = words[(i * 7 + Math.floor(i / LENGTH)) % words.length]!;
}

/** The bytes with every float32 NaN made the same, as its payload is left open. */
function canonical(buffer: ArrayBufferLike): Buffer {
  const words = new Uint32Array(buffer).map((bits) => ((bits & 0x7fffffff) > 0x7f800000 ? 0x7fc00000 : bits));
  return Buffer.from(words.buffer);
}

const special = fc.constantFrom(
  0,
  0x80000000,
  1,
  0x80000001,
  0x7fffff,
  0x7f7fffff,
  0xff7fffff,
  0x7f800000,
  0xff800000,
  0x7fc00000,
  0x7f800001,
);
/** Random float32 bits: any exponent, mostly near 1, or one of the awkward ones. */
const word = fc.oneof(
  { weight: 4, arbitrary: fc.float({ noNaN: true, min: -4, max: 4 }).map((value) => new Uint32Array(Float32Array.of(value).buffer)[0]!) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 0xffffffff }) },
  { weight: 1, arbitrary: special },
);
const words = fc.array(word, { minLength: 200, maxLength: 200 });
const lengths = fc.oneof(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: LENGTH - 64 }));
const offset = fc.integer({ min: 0, max: 63 }).map((element) => 4 * element);
const offsets = fc.tuple(offset, offset, offset, offset).map((all) => all.map((at, range) => at + 4 * LENGTH * range));

test('the committed WebAssembly is what kernels.wat compiles to', async () => {
  const committed = await readFile(new URL('../src/kernels.wasm.ts', import.meta.url), 'utf8');
  expect(committed).toBe(await compileKernels());
});

test('add gives the bits of the JavaScript twin for any length, alignment and value, also in place', () => {
  fc.assert(
    fc.property(words, lengths, offsets, fc.boolean(), fc.boolean(), (memory, length, [dst, a, b], shared, inPlace) => {
      expectSameBits(memory, shared, ({ add }) => add(inPlace ? a! : dst!, a!, b!, length));
    }),
  );
});

test('checksum is what the JavaScript twin finds, and shows the change of any one word', () => {
  fc.assert(
    fc.property(
      words,
      offset,
      lengths,
      fc.boolean(),
      fc.nat(),
      fc.integer({ min: 1, max: 0xffffffff }),
      (content, at, length, shared, index, change) => {
        const memory = new webAssembly.Memory({ initial: 1, maximum: 1, shared });
        fill(memory, content);
        const { checksum } = openKernels(memory);
        const before = checksum(at, length);
        expect(openJavaScriptKernels(memory).checksum(at, length)).toBe(before);
        if (length === 0) return before === 0n;
        new Uint32Array(memory.buffer)[at / 4 + (index % length)]! ^= change;
        return checksum(at, length) !== before;
      },
    ),
  );
});

test('sumSquares gives the bits of the JavaScript twin, and the same bits when a block is summed in several calls', () => {
  const lanes = 4 * LENGTH * (RANGES - 1);
  fc.assert(
    fc.property(words, lengths, offset, fc.nat(100), fc.boolean(), (values, length, at, cut, shared) => {
      const sums = [openKernels, openJavaScriptKernels].flatMap((open) => {
        const memory = new webAssembly.Memory({ initial: 1, maximum: 1, shared });
        fill(memory, values);
        const sums = new Float64Array(memory.buffer, lanes, 16).fill(0);
        const { sumSquares } = open(memory);
        const first = Math.min(length, 8 * cut);
        sumSquares(at, length, lanes);
        sumSquares(at, first, lanes + 64);
        sumSquares(at + 4 * first, length - first, lanes + 64);
        return [[...sums.subarray(0, 8)], [...sums.subarray(8)]];
      });
      expect(sums).toEqual([sums[0], sums[0], sums[0], sums[0]]);
    }),
  );
});

test('the sum of squares is finite exactly when every element is', () => {
  const memory = new webAssembly.Memory({ initial: 1, maximum: 1, shared: false });
  const floats = new Float32Array(memory.buffer, 64, 1024).fill(3.4028234663852886e38);
  const lanes = new Float64Array(memory.buffer, 0, 8);
  const { sumSquares } = openKernels(memory);
  const sum = () => {
    lanes.fill(0);
    sumSquares(64, 1021, 0);
    return sumLanes(lanes);
  };
  expect(sum()).toBeCloseTo(1021 * 3.4028234663852886e38 ** 2, -66);
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
    for (const index of [0, 1, 2, 3, 4, 5, 6, 7, 1020]) {
      const before = floats[index]!;
      floats[index] = value;
      expect(Number.isFinite(sum())).toBe(false);
      floats[index] = before;
    }
  }
});

test('bfloat16 packing gives the bits of the JavaScript twin and rounds to nearest, ties to even', () => {
  fc.assert(
    fc.property(words, lengths, offsets, fc.boolean(), (memory, length, [dst, src, back], shared) => {
      expectSameBits(memory, shared, ({ packBfloat16, unpackBfloat16 }) => {
        packBfloat16(dst!, src!, length);
        unpackBfloat16(back!, dst!, length);
      });
    }),
  );
  const memory = new webAssembly.Memory({ initial: 1, maximum: 1, shared: false });
  const bits = new Uint32Array(memory.buffer);
  const cases = [
    [0x3f808000, 0x3f80], // a tie goes to the even neighbour below
    [0x3f818000, 0x3f82], // a tie goes to the even neighbour above
    [0x3f808001, 0x3f81],
    [0x7f7fffff, 0x7f80], // overflow
    [0x7f800000, 0x7f80],
    [0xff800000, 0xff80],
    [0x7f800001, 0x7fc0], // a NaN does not become an infinity
    [0xffffffff, 0xffff],
    [0x00000001, 0x0000],
    [0x80000000, 0x8000],
  ];
  cases.forEach(([from], i) => {
    bits[i] = from!;
  });
  openKernels(memory).packBfloat16(1024, 0, cases.length);
  expect([...new Uint16Array(memory.buffer, 1024, cases.length)]).toEqual(cases.map(([, to]) => to));
});

test('every bfloat16 survives the way to float32 and back', () => {
  const memory = new webAssembly.Memory({ initial: 8, maximum: 8, shared: false });
  const all = Uint16Array.from({ length: 65_536 }, (_, i) => i).filter((half) => (half & 0x7fff) <= 0x7f80 || (half & 0x40) !== 0);
  new Uint16Array(memory.buffer).set(all);
  const { packBfloat16, unpackBfloat16 } = openKernels(memory);
  unpackBfloat16(131_072, 0, all.length);
  packBfloat16(0, 131_072, all.length);
  expect(new Uint16Array(memory.buffer, 0, all.length)).toEqual(all);
});

test('an address outside the memory traps in both', () => {
  for (const open of [openKernels, openJavaScriptKernels]) {
    const memory = new webAssembly.Memory({ initial: 1, maximum: 1, shared: false });
    expect(() => open(memory).add(65_528, 0, 0, 4)).toThrow();
  }
});
