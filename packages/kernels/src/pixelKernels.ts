import { PIXELS_WASM } from './kernels.wasm.ts';
import { PAGE_BYTES, webAssembly } from './webAssembly.ts';

/** Pixels read and written beyond what a kernel is for: so many bytes have to follow what it reads and what it writes. */
export const PIXEL_SLACK_BYTES = 16;

/**
 * Loops over 8-bit pixels, `channels` (1 or 3) bytes each. Addresses are byte offsets, of taps, tables and planes multiples of 4; integers
 * only, so there is one right answer. Up to {@link PIXEL_SLACK_BYTES} beyond the ends are read, and written; what is read there counts for
 * nothing.
 *
 * Taps are `size` entries, `tapBytes` apart: int32 first input, int32 pairs of inputs (at least one), then for each pair four int16: of
 * both weights the upper part, then of both the lower, where a weight with 22 binary places is upper * 4096 + lower. A pair may reach one
 * input beyond the last.
 */
export interface PixelKernels {
  /** Across: `rows` rows, `rowBytes` apart at `from`, become `size` pixels each, row after row at `to`. */
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
  /** Down: rows of `rowBytes` bytes, one after the other at `from`, become `size` rows at `to`. */
  weighRows(to: number, from: number, rowBytes: number, taps: number, tapBytes: number, size: number): void;
  /**
   * `side` x `side` bytes, `step` apart at `from`, become one plane of float32 at `to`: each is looked up in the 256 at `table`. `turn` is
   * 4, or -4 to mirror left and right; then `to` is the last place of the first row.
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

/** Reserves at least `sizeBytes`; the operating system gives a page when it is first written. @throws RangeError when it refuses. */
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
