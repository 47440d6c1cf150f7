import { createRequire } from 'node:module';
import { readEnvironment } from '@maestro/protocol';
import { type ExchangeKernels, openExchangeKernels } from './exchangeKernels.ts';
import { holdLibrary } from './holdLibrary.ts';
import { NATIVE_OPERATORS } from './operators.ts';

/** A tensor of the plain calls: float32, or bfloat16 as its bits. */
export interface NativeTensor {
  readonly dims: readonly number[];
  readonly data: Float32Array | Uint16Array;
}

/** The attributes of operators; those that an operator does not have are passed over. */
export interface NativeAttributes {
  readonly tokens?: number;
  readonly heads?: number;
  readonly from?: number;
  readonly epsilon?: number;
}

/**
 * The library, opened. What works on a range of elements may be called by several threads for ranges that do not overlap; its bits do not
 * depend on how a vector is cut. All memory may be shared.
 */
export interface NativeLibrary {
  readonly path: string;
  /** The instruction set in use. */
  readonly isa: string;
  /** Those that this machine has, best last. */
  readonly isas: readonly string[];
  /** From now on, in the whole process; for tests. @throws RangeError for one that the machine does not have. */
  useIsa(name: string): void;
  /** Runs an operator by itself on this thread. @throws RangeError with what is wrong with the shapes. */
  run(name: string, inputs: readonly NativeTensor[], attributes?: NativeAttributes): NativeTensor[];
  /** out[i] = a[i] + b[i] by so many threads (default 1); `out` may be one of them. */
  add(out: Float32Array, a: Float32Array, b: Float32Array, threads?: number): void;
  /** Writes the sum of squares of each `block` elements to `out`, as `blockSumSquares` in packages/kernels, by so many threads. */
  blockSquares(x: Float32Array, block: number, out: Float64Array, threads: number): void;
  /** What members do with each other's messages. */
  readonly exchange: ExchangeKernels;
  /** A step over many pieces by so many threads, to be taken again and again; it keeps the pieces' memory, which may not move. */
  prepareStep(rule: StepRule, pieces: readonly NativePiece[], threads: number): () => void;
}

/** The kernels of the optimisers, in the library's order. */
const STEP_RULES = ['adamW', 'sgd', 'nesterov'] as const;
export type StepRule = (typeof STEP_RULES)[number];

/** A piece of a step: vectors of one length that it reads and changes, and the scalars of its rule in packages/optim. SGD has no second moments. */
export interface NativePiece {
  readonly parameters: Float32Array;
  readonly gradient: Float32Array;
  readonly firstMoments: Float32Array;
  readonly secondMoments?: Float32Array | undefined;
  readonly scalars: Float32Array;
}

/** Words that describe a tensor to the library: axes, then dims. */
const TENSOR_WORDS = 7;

const BY_NAME = new Map(NATIVE_OPERATORS.map((each) => [each.name, each]));

/** Loads a library that was built from `c/`. Or says why it cannot be used. */
export function loadNative(path: string): NativeLibrary | string {
  const koffi = openKoffi();
  if (koffi === undefined) return `koffi cannot be loaded on ${process.platform}/${process.arch}`;
  const library = holdLibrary(koffi, path);
  const isaOf = library.func('const char *maestro_isa()');
  const isaAt = library.func('const char *maestro_isa_at(int)');
  const useIsa = library.func('int maestro_use_isa(const char *)');
  const run = library.func('const char *maestro_run(const char *, void *, float, void *, void *, void *, void *)');
  const addFloats = library.func('void maestro_add(void *, void *, void *, int64_t, int)');
  const blockSquares = library.func('void maestro_block_squares(void *, int64_t, int64_t, void *, int)');
  const step = library.func('void maestro_step(int, void *, int64_t, int)');
  const isas: string[] = [];
  for (let name = isaAt(0) as string | null; name !== null; name = isaAt(isas.length)) isas.push(name);
  if (isaOf() === null) {
    const wanted = readEnvironment()['MAESTRO_NATIVE_ISA'];
    return wanted ? `MAESTRO_NATIVE_ISA=${wanted}: this machine has ${isas.join(', ') || 'none'}` : 'the processor has no AVX2 with FMA';
  }
  return {
    path,
    get isa() {
      return isaOf() as string;
    },
    isas,
    useIsa(name) {
      if (useIsa(name) === 0) throw new RangeError(`native: this machine has ${isas.join(', ')}, not ${name}`);
    },
    run(name, inputs, { tokens = 0, heads = 0, from = 0, epsilon = 1e-6 } = {}) {
      const operator = BY_NAME.get(name);
      if (operator === undefined || inputs.length !== operator.inputs.length)
        throw new RangeError(`native: no ${name} of ${inputs.length}`);
      checkTypes(name, operator.inputs, inputs);
      const attributes = BigInt64Array.from([tokens, heads, from], BigInt);
      const data = BigUint64Array.from(inputs, (each) => koffi.address(each.data));
      const dims = describe(inputs);
      const outDims = new BigInt64Array(operator.outputs.length * TENSOR_WORDS);
      const call = (out: BigUint64Array | null): void => {
        const wrong = run(name, attributes, epsilon, data, dims, out, outDims) as string | null;
        if (wrong !== null) throw new RangeError(`${name}: ${wrong}; found ${inputs.map((each) => `[${each.dims}]`).join(', ')}`);
      };
      call(null);
      const outputs = operator.outputs.map((port, i) => allocate(port, outDims.subarray(i * TENSOR_WORDS)));
      call(BigUint64Array.from(outputs, (each) => koffi.address(each.data)));
      return outputs;
    },
    add(out, a, b, threads = 1) {
      checkLengths(out, a, b);
      addFloats(out, a, b, out.length, threads);
    },
    blockSquares(x, block, out, threads) {
      if (out.length < x.length / block) throw new RangeError(`native: ${out.length} sums for blocks of ${block} of ${x.length} floats`);
      blockSquares(x, x.length, block, out, threads);
    },
    exchange: openExchangeKernels(koffi, library),
    prepareStep(rule, pieces, threads) {
      const number = STEP_RULES.indexOf(rule);
      const words = pieces.flatMap(({ parameters, gradient, firstMoments, secondMoments = firstMoments, scalars }) => {
        checkLengths(parameters, gradient, firstMoments, secondMoments);
        const vectors = [parameters, gradient, firstMoments, secondMoments, scalars];
        return [...vectors.map((vector) => koffi.address(vector)), BigInt(parameters.length)];
      });
      // `kept` holds the memory below the addresses.
      const [kept, table] = [pieces, BigUint64Array.from(words)];
      return () => void step(number, table, kept.length, threads);
    },
  };
}

/** koffi; undefined where it has no build for this machine. */
export function openKoffi(): typeof import('koffi') | undefined {
  try {
    return createRequire(import.meta.url)('koffi') as typeof import('koffi');
  } catch {
    return undefined;
  }
}

function checkTypes(name: string, ports: readonly string[], inputs: readonly NativeTensor[]): void {
  for (const [i, { data, dims }] of inputs.entries()) {
    const size = dims.reduce((product, dim) => product * dim, 1);
    const isRight = ports[i]!.endsWith(':b') === (data.BYTES_PER_ELEMENT === 2);
    if (!isRight || data.length !== size || size === 0) throw new RangeError(`${name}: ${ports[i]} [${dims}] has ${data.length} elements`);
  }
}

function checkLengths(first: ArrayLike<number>, ...others: readonly ArrayLike<number>[]): void {
  for (const { length } of others) if (length !== first.length) throw new RangeError(`native: vectors of ${first.length} and ${length}`);
}

function describe(tensors: readonly NativeTensor[]): BigInt64Array {
  const words = new BigInt64Array(tensors.length * TENSOR_WORDS);
  tensors.forEach(({ dims }, i) => {
    words.set([dims.length, ...dims].map(BigInt), i * TENSOR_WORDS);
  });
  return words;
}

function allocate(port: string, words: BigInt64Array): NativeTensor {
  const dims = Array.from(words.subarray(1, 1 + Number(words[0])), Number);
  const size = dims.reduce((product, dim) => product * dim, 1);
  return { dims, data: port.endsWith(':b') ? new Uint16Array(size) : new Float32Array(size) };
}
