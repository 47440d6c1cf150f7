import { setImmediate } from 'node:timers/promises';
import { type OptimizerSettings, stateVectors } from '@maestro/optim';
import type { ParameterLayout } from '@maestro/tensors';

const PAGE_BYTES = 4096;
/** Bytes that are touched at a time: a virtual machine takes up to a millisecond to give them. */
const PIECE_BYTES = 1 << 18;

/** The vectors of a training state, each of a SharedArrayBuffer: all parameters, and the moments of those that are trained. */
export interface SnapshotMemory {
  readonly parameters: Float32Array;
  readonly firstMoments: Float32Array;
  /** Of optimisers that keep two. */
  readonly secondMoments?: Float32Array;
}

/** Reserves the vectors of a state, zero at first. The operating system gives a page only when it is first touched. */
export function reserveSnapshot({ length, trainable }: ParameterLayout, optimizer: OptimizerSettings): SnapshotMemory {
  const vector = (floats: number) => new Float32Array(new SharedArrayBuffer(floats * Float32Array.BYTES_PER_ELEMENT));
  const hasTwo = stateVectors(optimizer).includes('secondMoments');
  const moments = { firstMoments: vector(trainable.length), ...(hasTwo && { secondMoments: vector(trainable.length) }) };
  return { parameters: vector(length), ...moments };
}

/**
 * Touches every page, so that the first snapshot is a copy like all others: to be given the 1.3 GB of ViT-B takes the operating system ten
 * times as long as to fill them. The event loop has its turn after each millisecond. No value changes, not even one that another thread
 * writes meanwhile. Returns early when the signal is aborted.
 */
export async function touchPages(memory: SnapshotMemory, signal?: AbortSignal): Promise<void> {
  for (const { buffer, length } of Object.values(memory) as Float32Array[]) {
    const words = new Int32Array(buffer, 0, length);
    const stride = PAGE_BYTES / Int32Array.BYTES_PER_ELEMENT;
    for (let at = 0; at < words.length; at += stride) {
      if ((at * Int32Array.BYTES_PER_ELEMENT) % PIECE_BYTES === 0) await setImmediate();
      if (signal?.aborted === true) return;
      Atomics.or(words, at, 0);
    }
  }
}
