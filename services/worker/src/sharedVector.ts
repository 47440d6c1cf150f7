import type { FlatLayout } from '@maestro/mae';

/** A flat vector in shared memory, which reaches the compute thread without a copy; zero at first. */
export function sharedVector({ length }: FlatLayout): Float32Array {
  return sharedFloats(length);
}

/** The same of any length. */
export function sharedFloats(length: number): Float32Array {
  return new Float32Array(new SharedArrayBuffer(length * Float32Array.BYTES_PER_ELEMENT));
}
