import { beforeAll, describe, expect, test } from '@jest/globals';
import { openArena, openJavaScriptKernels, sumLanes } from '@maestro/kernels';
import type { NativeLibrary } from './nativeLibrary.ts';
import { prepareNative } from './openNative.ts';
import { formulaFloats } from './testVectors.ts';

const onLibrary = (await prepareNative()) === undefined ? describe.skip : describe;
let library: NativeLibrary;

beforeAll(async () => {
  library = (await prepareNative())!;
});

const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array => new Uint8Array(buffer, byteOffset, byteLength);
const LENGTHS = [0, 1, 2, 7, 8, 9, 31, 100, 2047, 2048, 2049, 5000];
const BLOCK = 3000;

/** Runs `check` on each instruction set of this machine. */
function onEachIsa(check: () => void): void {
  const { isa } = library;
  for (const each of library.isas) {
    library.useIsa(each);
    check();
  }
  library.useIsa(isa);
}

/** The same by the plain kernels: bfloat16, the sum itself, its squares and the checksums. */
function plainSum(terms: readonly Float32Array[], isRounded: boolean) {
  const { length } = terms[0]!;
  const { memory, ranges, lanes } = openArena({ ranges: { left: length, right: length, sum: length, packed: Math.ceil(length / 2) } });
  const kernels = openJavaScriptKernels(memory);
  const [left, right, sum, packed] = [ranges.left, ranges.right, ranges.sum, ranges.packed].map(({ byteOffset }) => byteOffset) as [
    number,
    number,
    number,
    number,
  ];
  ranges.left.set(terms[0]!);
  ranges.right.set(terms[1]!);
  const late = BigInt.asUintN(64, kernels.checksum(right, length));
  // (first + second) + third
  kernels.add(sum, left, right, length);
  ranges.right.set(terms[2]!);
  kernels.add(sum, sum, right, length);
  if (isRounded) {
    kernels.packBfloat16(packed, sum, length);
    kernels.unpackBfloat16(sum, packed, length);
  }
  const squares = Array.from({ length: Math.ceil(length / BLOCK) }, (_, block) => {
    lanes.fill(0);
    kernels.sumSquares(sum + 4 * BLOCK * block, Math.min(BLOCK, length - BLOCK * block), lanes.byteOffset);
    return sumLanes(lanes);
  });
  const gathered = kernels.checksum(isRounded ? packed : sum, isRounded ? Math.ceil(length / 2) : length);
  return { late, squares, sum: ranges.sum.slice(), packed: ranges.packed, gathered: BigInt.asUintN(64, gathered) };
}

onLibrary('the loops of the exchange', () => {
  test('checksum and copy give the checksum of the kernels for any length, at any word', () => {
    onEachIsa(() => {
      for (const length of LENGTHS) {
        const { memory, ranges } = openArena({ ranges: { words: length + 1 } });
        const words = ranges.words.subarray(1);
        words.set(formulaFloats(length, length));
        const expected = BigInt.asUintN(64, openJavaScriptKernels(memory).checksum(words.byteOffset, length));
        expect(library.exchange.checksum(bytesOf(words))).toBe(expected);
        const copy = new Float32Array(length + 2);
        expect(library.exchange.copy(bytesOf(copy).subarray(4), bytesOf(words))).toBe(expected);
        expect(copy).toEqual(Float32Array.of(0, ...words, 0));
      }
    });
  });

  test.each([false, true])('a sum has the bits, squares and checksums of the kernels (rounded: %s)', (isRounded) => {
    onEachIsa(() => {
      for (const length of LENGTHS.slice(1)) {
        const terms = [1, 2, 3].map((seed) => formulaFloats(length, seed * 7 + length).map((x, i) => x * 2 ** ((i % 60) - 30)));
        const expected = plainSum(terms, isRounded);
        const summation = library.exchange.prepareSum({
          terms: 3,
          additions: [
            { into: 1, left: 0, right: 1 },
            { into: 2, left: 1, right: 2 },
          ],
          result: 2,
          block: BLOCK,
        });
        const [first, third] = [terms[0]!.slice(), terms[2]!.slice()];
        for (const [i, term] of terms.entries()) summation.setTerm(i, bytesOf(term));
        const out = new Float32Array(length);
        const squares = new Float64Array(Math.ceil(length / BLOCK));
        const packed = new Float32Array(Math.ceil(length / 2));
        const sums = summation.run({ out: bytesOf(out), squares, late: 1, ...(isRounded && { packed: bytesOf(packed) }) });
        expect(sums).toEqual({ gathered: expected.gathered, late: expected.late });
        expect(out).toEqual(expected.sum);
        expect([...squares]).toEqual(expected.squares);
        // Terms that are no `into`, or only of the last addition, stay as they are.
        expect([terms[0], terms[2]]).toEqual([first, third]);
        if (!isRounded) continue;
        expect(bytesOf(packed)).toEqual(bytesOf(expected.packed));
        const unpacked = new Float32Array(length);
        expect(library.exchange.unpack(bytesOf(unpacked), bytesOf(packed))).toBe(expected.gathered);
        expect(unpacked).toEqual(expected.sum);
      }
    });
  });

  test('one term is copied, also to where it is', () => {
    const term = formulaFloats(5000, 3);
    const summation = library.exchange.prepareSum({ terms: 1, additions: [], result: 0, block: BLOCK });
    summation.setTerm(0, bytesOf(term));
    const out = new Float32Array(5000);
    const squares = [new Float64Array(2), new Float64Array(2)] as const;
    const copied = summation.run({ out: bytesOf(out), squares: squares[0] });
    expect(out).toEqual(term);
    expect(summation.run({ out: bytesOf(term), squares: squares[1] })).toEqual(copied);
    expect(term).toEqual(out);
    expect(squares[1]).toEqual(squares[0]);
  });

  test('memory that is too small is refused', () => {
    const { exchange } = library;
    const [six, eight] = [new Uint8Array(24), new Uint8Array(32)];
    expect(() => exchange.copy(six, eight)).toThrow('32 bytes do not fit in 24');
    expect(() => exchange.checksum(eight.subarray(0, 6))).toThrow('6 bytes are not whole words');
    expect(() => exchange.unpack(eight, eight)).toThrow('32 bytes are not 8 bfloat16');
    const summation = exchange.prepareSum({ terms: 2, additions: [{ into: 1, left: 0, right: 1 }], result: 1, block: 4 });
    summation.setTerm(0, eight);
    expect(() => summation.run({ out: eight, squares: new Float64Array(2) })).toThrow('term 1 has 0 bytes, the sum 32');
    summation.setTerm(1, six);
    expect(() => summation.run({ out: eight, squares: new Float64Array(2) })).toThrow('term 1 has 24 bytes, the sum 32');
    summation.setTerm(1, eight);
    expect(() => summation.run({ out: eight, squares: new Float64Array(1) })).toThrow('no room for what a sum of 8 floats leaves');
  });
});
