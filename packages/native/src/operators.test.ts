import { beforeAll, describe, expect, test } from '@jest/globals';
import { findCompiler } from './compiler.ts';
import type { NativeLibrary, NativeTensor } from './nativeLibrary.ts';
import { describeNative, prepareNative } from './openNative.ts';
import { NATIVE_OPERATORS, type NativeOperator } from './operators.ts';
import { fromBfloat16, reference } from './testing/reference.ts';
import { formulaInputs, type OperatorShape, vectorHash } from './testVectors.ts';
import { VECTOR_HASHES } from './vectorHashes.ts';

const compiler = findCompiler();
const onCompiler = typeof compiler === 'string' ? describe.skip : describe;

let library: NativeLibrary;

beforeAll(async () => {
  const found = await prepareNative();
  if (found === undefined && typeof compiler !== 'string') throw new Error(`native: ${describeNative().reason}`);
  library = found!;
}, 300_000);

/** The largest difference, relative to the largest number. */
function errorOf({ data }: NativeTensor, expected: Float64Array): number {
  const floats = data instanceof Uint16Array ? fromBfloat16(data) : data;
  expect(floats.length).toBe(expected.length);
  let [most, worst] = [1e-3, 0];
  for (let i = 0; i < floats.length; i++) {
    most = Math.max(most, Math.abs(expected[i]!));
    const difference = Math.abs(floats[i]! - expected[i]!);
    worst = Number.isNaN(difference) ? Infinity : Math.max(worst, difference);
  }
  return worst / most;
}

/** Shapes of a fixed sequence, each dimension 1 to `most`. */
function shapes(count: number, most: number): OperatorShape[] {
  let state = 12345;
  const next = (limit: number): number => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return 1 + ((state >>> 8) % limit);
  };
  return Array.from({ length: count }, () => {
    const tokens = next(Math.min(most, 90));
    const [heads, head, batch] = [next(3), next(Math.min(most, 70)), next(2)];
    return { R: next(most), K: next(most), N: next(most), batch, tokens, heads, head, from: next(tokens) - 1 };
  });
}

const ONES: OperatorShape = { R: 1, K: 1, N: 1, batch: 1, tokens: 1, heads: 1, from: 0, head: 1 };

/**
 * float32 and x3 within the rounding of their sums; bfloat16 within that of values which are kept in it. GELU's slope is at most 1.13 and
 * has the absolute error of a sum which is several times as large.
 */
function tolerance({ name, outputs }: NativeOperator, output: number): number {
  if (name.endsWith('Bf16')) return name.startsWith('Attend') ? 2e-2 : 6e-3;
  return (name.endsWith('X3') ? 3e-5 : 2e-5) * (outputs[output] === 'slope:f' ? 4 : 1);
}

onCompiler('native operators', () => {
  test.each(NATIVE_OPERATORS)('$name is what float64 says, for shapes that nothing divides', (operator) => {
    for (const shape of [ONES, ...shapes(5, 150), ...shapes(1, 300)]) {
      const { inputs, attributes } = formulaInputs(operator, shape);
      const outputs = library.run(operator.name, inputs, attributes);
      const expected = reference(operator.name, inputs, attributes, operator.name.endsWith('Bf16'));
      for (const [i, output] of outputs.entries()) {
        const error = errorOf(output, expected[i]!.at);
        if (error > tolerance(operator, i)) throw new Error(`${operator.outputs[i]}: ${error} at ${JSON.stringify(shape)}`);
      }
    }
  });

  test.each(NATIVE_OPERATORS.filter(({ name }) => /^Linear.*F32$/.test(name)))('$name of rows and columns that are packed', (operator) => {
    // Lines of 4096 bytes, and columns of long lines, are not read where they are.
    for (const shape of [
      { ...ONES, R: 9, K: 1024, N: 47 },
      { ...ONES, R: 410, K: 5, N: 1024 },
    ]) {
      const { inputs, attributes } = formulaInputs(operator, shape);
      const expected = reference(operator.name, inputs, attributes, false);
      for (const [i, output] of library.run(operator.name, inputs, attributes).entries())
        expect(errorOf(output, expected[i]!.at)).toBeLessThan(tolerance(operator, i));
    }
  });

  test('the bits are those of the test vectors on each instruction set that this machine has', () => {
    const best = library.isa;
    for (const isa of library.isas) {
      library.useIsa(isa);
      expect(Object.fromEntries(NATIVE_OPERATORS.map((each) => [each.name, vectorHash(library, each)]))).toEqual(VECTOR_HASHES);
    }
    library.useIsa(best);
    expect(() => library.useIsa('sse')).toThrow('native: this machine has');
  });

  test('infinities and NaN reach the results that depend on them, and no others', () => {
    for (const operator of NATIVE_OPERATORS.filter(({ name }) => /^Linear(Add)?(F32|Bf16)$/.test(name))) {
      for (const special of [Infinity, -Infinity, NaN]) {
        const { inputs } = formulaInputs(operator, { ...ONES, R: 7, K: 45, N: 31 });
        const x = inputs[0]!.data;
        const at = 3 * 45 + 44;
        x[at] = x instanceof Uint16Array ? new Uint32Array(Float32Array.of(special).buffer)[0]! >>> 16 : special;
        const [{ data }] = library.run(operator.name, inputs) as [NativeTensor];
        const floats = data instanceof Uint16Array ? fromBfloat16(data) : data;
        expect([0, 1, 2, 3, 4, 5, 6].filter((r) => !floats.subarray(31 * r, 31 * r + 31).every(Number.isFinite))).toEqual([3]);
      }
    }
  });

  test('denormals are zero, on the way in and out', () => {
    const floats = (dims: number[], value: number): NativeTensor => ({
      dims,
      data: new Float32Array(dims.reduce((a, b) => a * b, 1)).fill(value),
    });
    const tiny = library.run('LinearF32', [floats([2, 3], 1e-40), floats([4, 3], 1e30), floats([4], 0)]);
    expect([...tiny[0]!.data]).toEqual(Array(8).fill(0));
    const product = library.run('LinearF32', [floats([2, 3], 1e-20), floats([4, 3], 1e-20), floats([4], 0)]);
    expect([...product[0]!.data]).toEqual(Array(8).fill(0));
    // The mode is that of a call: this thread's own arithmetic keeps its denormals.
    expect(Float64Array.of(5e-324)[0]! * 1).toBe(5e-324);
  });

  test('shapes that do not fit are errors that name the operator and the shapes', () => {
    const floats = (...dims: number[]): NativeTensor => ({ dims, data: new Float32Array(dims.reduce((a, b) => a * b, 1)) });
    expect(() => library.run('LinearF32', [floats(2, 3), floats(4, 3), floats(5)])).toThrow(
      'LinearF32: bias must be [N]; found [2,3], [4,3], [5]',
    );
    expect(() => library.run('AttendF32', [floats(6, 9)], { tokens: 4, heads: 1 })).toThrow('AttendF32: qkv must be');
    expect(() => library.run('NormF32', [floats(2, 3), floats(4), floats(3)])).toThrow('NormF32: x [.., D]');
  });
});
