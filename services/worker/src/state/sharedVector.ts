import type { FlatLayout } from '@maestro/tensors';

/** Allocates a flat vector in shared memory, which reaches the compute thread without a copy; initially zero. */
export function sharedVector({ length }: FlatLayout): Float32Array {
  return sharedFloats(length);
}

/** Allocates the same with any length. */
export function sharedFloats(length: number): Float32Array {
  return new Float32Array(new SharedArrayBuffer(length * Float32Array.BYTES_PER_ELEMENT));
}

/** A pool of reusable memory. New memory for each use would accumulate: the garbage collector does not count shared memory. */
export interface FloatPool {
  /** Returns an array with that length and undefined content. */
  take(length: number): Float32Array;
  /** Returns an array to the pool. */
  give(values: Float32Array): void;
}

/** Opens a pool that keeps no more elements than were in use at one time. */
export function openFloatPool(): FloatPool {
  const free: SharedArrayBuffer[] = [];
  return {
    take(length) {
      const bytes = length * Float32Array.BYTES_PER_ELEMENT;
      const fitting = free.findIndex(({ byteLength }) => byteLength >= bytes);
      if (fitting >= 0) return new Float32Array(free.splice(fitting, 1)[0]!, 0, length);
      // A buffer that is too small is dropped, so that the pool does not grow with each new length.
      free.pop();
      return sharedFloats(length);
    },
    give: ({ buffer }) => void free.push(buffer as SharedArrayBuffer),
  };
}
