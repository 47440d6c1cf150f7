import { UNIFORMS_WASM } from './kernels.wasm.ts';
import { openModule, PAGE_BYTES, webAssembly } from './webAssembly.ts';

/** Exports of `uniforms.wat`. */
interface UniformKernels {
  fill(
    at: number,
    passes: number,
    bound: number,
    counter: number,
    index: number,
    epoch: number,
    purpose: number,
    key0: number,
    key1: number,
  ): void;
}

/** Numbers of one pass of the kernel: those of four counters. */
const PASS = 16;
/** Numbers between two copies: they stay in the processor's nearest caches. */
const MOST = PAGE_BYTES / Float32Array.BYTES_PER_ELEMENT;

interface Opened {
  readonly kernels: UniformKernels;
  readonly numbers: Float32Array;
}

let opened: Opened | undefined;

/**
 * Fills a prefix of `out`, as long as whole passes of 16 reach, with bound * (2 u - 1) for the words of Philox4x32-10 under `key`, from
 * `counter` on: u = (word >>> 8) / 2^24. The bits are those of the same arithmetic in JavaScript. `out` may be shared memory. The counter
 * is not moved on.
 *
 * @returns how many numbers were written, a multiple of 16.
 */
export function fillUniforms(out: Float32Array, bound: number, counter: Uint32Array, key: Uint32Array): number {
  opened ??= open();
  const { kernels, numbers } = opened;
  const count = out.length - (out.length % PASS);
  for (let done = 0; done < count; done += MOST) {
    const length = Math.min(MOST, count - done);
    kernels.fill(0, length / PASS, bound, counter[0]! + done / 4, counter[1]!, counter[2]!, counter[3]!, key[0]!, key[1]!);
    out.set(length === MOST ? numbers : numbers.subarray(0, length), done);
  }
  return count;
}

function open(): Opened {
  const memory = new webAssembly.Memory({ initial: 1, maximum: 1, shared: false });
  return { kernels: openModule(UNIFORMS_WASM, memory) as UniformKernels, numbers: new Float32Array(memory.buffer) };
}
