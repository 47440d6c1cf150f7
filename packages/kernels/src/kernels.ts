import { SHARED_WASM, UNSHARED_WASM } from './kernels.wasm.ts';
import { isShared, openModule, type WasmMemory } from './webAssembly.ts';

/** Float32 elements per block of {@link Kernels.sumSquares}. Part of the numerics: changing it changes the bits of every norm. */
export const SUM_SQUARES_BLOCK = 65_536;

/** Number of float64 lanes in which one block is summed. */
export const SUM_SQUARES_LANES = 8;

/**
 * The hot loops of training over ranges of one memory. Addresses are byte offsets (multiples of 4; of 2 for bfloat16, of 8 for
 * lanes), lengths count elements, nothing is allocated, and an address outside the memory traps with a RangeError or
 * `WebAssembly.RuntimeError`. {@link openKernels} and {@link openJavaScriptKernels} give the same bits, except for the payload
 * of a NaN, which both WebAssembly and JavaScript leave open.
 */
export interface Kernels {
  /** dst[i] = a[i] + b[i]. `dst` may be `a` or `b`; other overlaps are not allowed. */
  add(dst: number, a: number, b: number, length: number): void;
  /**
   * Adds the square of element i, exact in float64, to the float64 lane i mod 8 at `lanes` (64 bytes). A block may be summed in
   * several calls when all but the last have a length that is a multiple of 8. See `sumLanes` for the sum of the lanes.
   */
  sumSquares(src: number, length: number, lanes: number): void;
  /**
   * Returns the sum of (length - i) * word i over the 32-bit words, modulo 2^64, as a signed number. Detects any change of one word, and
   * almost any other, at the speed of memory. CRC-32 in zlib runs at 5 GB/s.
   */
  checksum(src: number, length: number): bigint;
  /** Converts float32 to bfloat16, to nearest, ties to even; NaN stays NaN (quiet, same sign), overflow becomes an infinity. */
  packBfloat16(dst: number, src: number, length: number): void;
  /** Converts bfloat16 to float32, exactly. */
  unpackBfloat16(dst: number, src: number, length: number): void;
}

/** The WebAssembly SIMD kernels over `memory`. The modules are under 2 kB and compiled once a thread. */
export function openKernels(memory: WasmMemory): Kernels {
  return openModule(isShared(memory) ? SHARED_WASM : UNSHARED_WASM, memory) as Kernels;
}

/** Sums eight lanes, starting at `lanes[at]`, in the one order that is part of the numerics. */
export function sumLanes(lanes: Float64Array, at = 0): number {
  return (
    lanes[at]! + lanes[at + 1]! + (lanes[at + 2]! + lanes[at + 3]!) + (lanes[at + 4]! + lanes[at + 5]! + (lanes[at + 6]! + lanes[at + 7]!))
  );
}
