import type { FlatLayout } from '@maestro/mae';

/** A flat vector in shared memory, which reaches the compute thread without a copy; zero at first. */
export function sharedVector({ length }: FlatLayout): Float32Array {
  return sharedFloats(length);
}

/** The same of any length. */
export function sharedFloats(length: number): Float32Array {
  return new Float32Array(new SharedArrayBuffer(length * Float32Array.BYTES_PER_ELEMENT));
}

/** Memory that is lent again and again. New memory for each use would add up: the collector does not count shared memory. */
export interface FloatPool {
  /** An array of that length, whose contents are what was in it before. */
  take(length: number): Float32Array;
  /** Gives back what was taken. */
  give(values: Float32Array): void;
}

/** Opens a pool that keeps no more elements than have been lent at one time. */
export function openFloatPool(): FloatPool {
  const free: SharedArrayBuffer[] = [];
  return {
    take(length) {
      const bytes = length * Float32Array.BYTES_PER_ELEMENT;
      const fitting = free.findIndex(({ byteLength }) => byteLength >= bytes);
      if (fitting >= 0) return new Float32Array(free.splice(fitting, 1)[0]!, 0, length);
      // One that is too small is let go, so that those that are kept do not become more with each length that is new.
      free.pop();
      return sharedFloats(length);
    },
    give: ({ buffer }) => void free.push(buffer as SharedArrayBuffer),
  };
}
