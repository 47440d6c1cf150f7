import { PIXELS_WASM } from './kernels.wasm.ts';
import { PAGE_BYTES, webAssembly } from './webAssembly.ts';

/** Bytes that kernels may read and write beyond their range: this many must follow both input and output. */
export const PIXEL_SLACK_BYTES = 16;

/**
 * Loops over 8-bit pixels, `channels` (1 or 3) bytes each. Addresses are byte offsets; those of taps, tables and planes are multiples of 4.
 * Integers only, so results are exact. Up to {@link PIXEL_SLACK_BYTES} beyond the ends are read and written; values read there do not
 * affect the result.
 *
 * Taps are `size` entries, `tapBytes` apart: int32 first input, int32 pairs of inputs (at least one), then for each pair four int16: the
 * upper parts of both weights, then their lower parts, where a weight with 22 binary places is upper * 4096 + lower. A pair may reach one
 * input beyond the last.
 */
export interface PixelKernels {
  /** Resizes horizontally: `rows` rows, `rowBytes` apart at `from`, become `size` pixels each, row after row at `to`. */
  weighPixels(
    to: number,
    from: number,
    rows: number,
    rowBytes: number,
    channels: number,
    taps: number,
    tapBytes: number,
    size: number,
  ): void;
  /** Resizes vertically: consecutive rows of `rowBytes` bytes at `from` become `size` rows at `to`. */
  weighRows(to: number, from: number, rowBytes: number, taps: number, tapBytes: number, size: number): void;
  /**
   * Looks up `side` x `side` bytes, `step` apart at `from`, in the 256 floats at `table`, and writes one plane of float32 at `to`. `turn`
   * is 4, or -4 to mirror left and right; then `to` is the last element of the first row.
   */
  lookUpPlane(to: number, from: number, table: number, side: number, step: number, turn: number): void;
}

/** A memory for pixels, with the kernels that work on it. */
export interface PixelArena {
  readonly bytes: Uint8Array;
  /** The same memory. */
  readonly words: Int32Array;
  /** The same memory. */
  readonly floats: Float32Array;
  readonly kernels: PixelKernels;
}

let module: object | undefined;

/** Reserves at least `sizeBytes`; the operating system provides a page when it is first written. @throws RangeError when it refuses. */
export function openPixelArena(sizeBytes: number): PixelArena {
  const pages = Math.ceil(sizeBytes / PAGE_BYTES);
  const memory = new webAssembly.Memory({ initial: pages, maximum: pages, shared: false });
  module ??= new webAssembly.Module(Buffer.from(PIXELS_WASM, 'base64'));
  return {
    bytes: new Uint8Array(memory.buffer),
    words: new Int32Array(memory.buffer),
    floats: new Float32Array(memory.buffer),
    kernels: new webAssembly.Instance(module, { arena: { memory } }).exports as PixelKernels,
  };
}
