import { createHash } from 'node:crypto';
import type { NativeAttributes, NativeLibrary, NativeTensor } from './nativeLibrary.ts';
import { NATIVE_OPERATORS, type NativeOperator } from './operators.ts';
import { STEP_HASH, VECTOR_HASHES } from './vectorHashes.ts';

/** The shapes of an operator's inputs: rows, inputs and outputs of a layer; sequences, tokens and heads. */
export interface OperatorShape {
  readonly R: number;
  readonly K: number;
  readonly N: number;
  readonly batch: number;
  readonly tokens: number;
  readonly heads: number;
  readonly from: number;
  readonly head: number;
}

/** Nothing that a tile, panel or block divides. */
const VECTOR_SHAPE: OperatorShape = { R: 37, K: 291, N: 53, batch: 2, tokens: 37, heads: 3, from: 1, head: 19 };

/** Numbers of a fixed sequence (a linear congruential generator) in [-1, 1), exact in float32. */
export function formulaFloats(length: number, seed: number): Float32Array {
  const out = new Float32Array(length);
  let state = (seed * 2654435761) >>> 0;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    out[i] = ((state >>> 8) - 2 ** 23) / 2 ** 23;
  }
  return out;
}

/** Rounds to bfloat16, to nearest, ties to even. */
export function toBfloat16(floats: Float32Array): Uint16Array {
  const bits = new Uint32Array(floats.buffer, floats.byteOffset, floats.length);
  return Uint16Array.from(bits, (word) => (word + 0x7fff + ((word >>> 16) & 1)) >>> 16);
}

/** Inputs of an operator by formula, those that are results of another operator too. */
export function formulaInputs(
  { name, inputs }: NativeOperator,
  { R, K, N, batch, tokens, heads, from, head }: OperatorShape = VECTOR_SHAPE,
): { readonly inputs: NativeTensor[]; readonly attributes: NativeAttributes } {
  const width = heads * head;
  const isGrad = name.includes('Grad');
  const dimsOf = (port: string): readonly number[] => {
    if (name.startsWith('Norm')) return { stats: [R, 2], gain: [K], bias: [K] }[port] ?? [R, K];
    if (name.startsWith('Attend')) {
      return { qkv: [batch * tokens, 3 * width], stats: [batch * heads * (tokens - from), 2] }[port] ?? [batch * (tokens - from), width];
    }
    return { x: [R, K], w: [N, K], bias: [N], slope: [R, K], residual: [R, N], dy: [R, N] }[port] ?? [R, isGrad ? K : N];
  };
  const tensors = inputs.map((typed, i): NativeTensor => {
    const [port, type] = typed.split(':') as [string, string];
    const dims = dimsOf(port);
    const floats = formulaFloats(
      dims.reduce((product, dim) => product * dim, 1),
      i + 1,
    );
    return { dims, data: type === 'b' ? toBfloat16(floats) : floats };
  });
  return { inputs: tensors, attributes: name.startsWith('Attend') ? { tokens, heads, from } : {} };
}

/** SHA-256 of the outputs of an operator on its vector, one after the other, as this library computes them. */
export function vectorHash(library: NativeLibrary, operator: NativeOperator): string {
  const { inputs, attributes } = formulaInputs(operator);
  const hash = createHash('sha256');
  for (const { data } of library.run(operator.name, inputs, attributes))
    hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  return hash.digest('hex');
}

/** Elements of the step's vectors: more than a block of the sum of squares, and no multiple of what a vector register holds. */
const STEP_FLOATS = 1003;
const STEP_BLOCK = 512;

/** SHA-256 of what the loops of the step's tail give, by two threads, on numbers of many magnitudes, all finite. */
export function stepHash(library: NativeLibrary): string {
  const scale = formulaFloats(STEP_FLOATS, 9);
  const numbers = (seed: number): Float32Array => formulaFloats(STEP_FLOATS, seed).map((x, i) => x * 2 ** Math.round(scale[i]! * 90 - 50));
  const hash = createHash('sha256');
  const told = (...vectors: readonly (Float32Array | Float64Array)[]): void => {
    for (const { buffer } of vectors) hash.update(new Uint8Array(buffer));
  };
  for (const [rule, values] of [
    ['adamW', [0.7, 0.99, 0.1, 0.95, 0.05, 0.3, 1e-8, -1e-3]],
    ['sgd', [0.7, 0.01, 0.5, 0.9, -1e-2]],
    ['nesterov', [0.7, 0.01, 1, 0.9, -1e-2]],
  ] as const) {
    const vectors = { parameters: numbers(1), gradient: numbers(2), firstMoments: numbers(3), secondMoments: numbers(4).map(Math.abs) };
    const piece = (first: number, end: number) => ({
      parameters: vectors.parameters.subarray(first, end),
      gradient: vectors.gradient.subarray(first, end),
      firstMoments: vectors.firstMoments.subarray(first, end),
      secondMoments: vectors.secondMoments.subarray(first, end),
      scalars: Float32Array.from(values),
    });
    library.prepareStep(rule, [piece(0, 77), piece(77, STEP_FLOATS)], 2)();
    told(...Object.values(vectors));
  }
  const sums = new Float64Array(Math.ceil(STEP_FLOATS / STEP_BLOCK));
  library.blockSquares(numbers(5), STEP_BLOCK, sums, 2);
  const added = new Float32Array(STEP_FLOATS);
  library.add(added, numbers(6), numbers(7), 2);
  told(sums, added, ...exchangeResults(library, numbers));
  return hash.digest('hex');
}

/** What the loops of the exchange give: sums of three terms, as float32 and rounded, with squares and checksums. */
function exchangeResults({ exchange }: NativeLibrary, numbers: (seed: number) => Float32Array): (Float32Array | Float64Array)[] {
  const bytes = ({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array => new Uint8Array(buffer, byteOffset, byteLength);
  const additions = [
    { into: 1, left: 0, right: 1 },
    { into: 2, left: 1, right: 2 },
  ];
  const sum = exchange.prepareSum({ terms: 3, additions, result: 2, block: STEP_BLOCK });
  return [false, true].flatMap((isRounded) => {
    for (const i of [0, 1, 2]) sum.setTerm(i, bytes(numbers(i + 8)));
    const [out, packed, unpacked] = [STEP_FLOATS, Math.ceil(STEP_FLOATS / 2), STEP_FLOATS].map((length) => new Float32Array(length));
    const squares = new Float64Array(Math.ceil(STEP_FLOATS / STEP_BLOCK));
    const found = sum.run({ out: bytes(out!), squares, late: 1, ...(isRounded && { packed: bytes(packed!) }) });
    const checksums = new Float64Array(
      BigUint64Array.of(found.gathered, found.late, exchange.unpack(bytes(unpacked!), bytes(packed!))).buffer,
    );
    return [out!, packed!, unpacked!, squares, checksums];
  });
}

/** The operators whose bits are not those that this version has: a compiler's fault. Some milliseconds each. */
export function wrongOperators(library: NativeLibrary): string[] {
  const wrong = NATIVE_OPERATORS.filter((each) => vectorHash(library, each) !== VECTOR_HASHES[each.name]).map(({ name }) => name);
  return stepHash(library) === STEP_HASH ? wrong : [...wrong, "the step's tail"];
}
