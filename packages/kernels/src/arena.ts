import { openJavaScriptKernels } from './javaScriptKernels.ts';
import { type Kernels, openKernels, SUM_SQUARES_LANES } from './kernels.ts';
import { MAX_PAGES, PAGE_BYTES, type WasmMemory, webAssembly } from './webAssembly.ts';

const ALIGNMENT_BYTES = 64;
const LANES_BYTES = SUM_SQUARES_LANES * Float64Array.BYTES_PER_ELEMENT;

/** Maximum total float32 elements of the ranges of one arena: 4 GiB less the lanes. */
export const MAX_ARENA_FLOATS = (MAX_PAGES * PAGE_BYTES - LANES_BYTES) / Float32Array.BYTES_PER_ELEMENT;

/** One memory divided into named ranges, with the kernels that work on it. Its memory never grows, so views stay valid. */
export interface Arena<Name extends string = string> {
  readonly memory: WasmMemory;
  readonly kernels: Kernels;
  /** Initially zero; each range is aligned to 64 bytes. `range.byteOffset` is its address for kernels. */
  readonly ranges: Readonly<Record<Name, Float32Array>>;
  /** The eight lanes that `Kernels.sumSquares` accumulates into. */
  readonly lanes: Float64Array;
}

/** Options of {@link openArena}. Two threads that open one shared memory with the same ranges see the same division. */
export interface ArenaOptions<Name extends string> {
  /** Name to length in floats. */
  readonly ranges: Readonly<Record<Name, number>>;
  /** True when other threads may hold the memory too; ONNX Runtime accepts only unshared memory. Default false. */
  readonly shared?: boolean;
  /** A memory that another thread created from the same ranges; by default a new one is created. */
  readonly memory?: WasmMemory;
  /** `javascript` runs the plain twin: the same bits, slower. Default `wasm`. */
  readonly kernels?: 'wasm' | 'javascript';
}

/**
 * Opens an arena. Memory is reserved at once, but the operating system provides a page only when it is first written.
 *
 * @throws RangeError when the ranges exceed {@link MAX_ARENA_FLOATS}, the machine refuses the memory, or `memory` is too small.
 */
export function openArena<Name extends string>({ ranges, shared = false, memory, kernels = 'wasm' }: ArenaOptions<Name>): Arena<Name> {
  const lengths = Object.entries<number>(ranges);
  let bytes = LANES_BYTES;
  const offsets = lengths.map(([name, length]) => {
    if (!Number.isSafeInteger(length) || length < 0)
      throw new RangeError(`openArena: the length of ${name} must be a count, found ${length}`);
    const offset = bytes;
    bytes += Math.ceil((length * Float32Array.BYTES_PER_ELEMENT) / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
    return offset;
  });
  const held = memory ?? newMemory(bytes, shared);
  if (held.buffer.byteLength < bytes) {
    throw new RangeError(`openArena: the ranges take ${bytes} bytes, the memory has ${held.buffer.byteLength}`);
  }
  return {
    memory: held,
    kernels: kernels === 'wasm' ? openKernels(held) : openJavaScriptKernels(held),
    ranges: Object.fromEntries(
      lengths.map(([name, length], i) => [name, new Float32Array(held.buffer, offsets[i], length)]),
    ) as unknown as Record<Name, Float32Array>,
    lanes: new Float64Array(held.buffer, 0, SUM_SQUARES_LANES),
  };
}

function newMemory(bytes: number, shared: boolean): WasmMemory {
  const pages = Math.ceil(bytes / PAGE_BYTES);
  if (pages > MAX_PAGES) throw new RangeError(`openArena: the ranges take ${bytes} bytes, a memory holds 4 GiB; split them into segments`);
  return new webAssembly.Memory({ initial: pages, maximum: pages, shared });
}
