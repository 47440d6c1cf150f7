import { type Kernels, openArena } from '@maestro/kernels';
import type { ExchangeKernels } from '@maestro/native';

/** Loops over payloads: the library's, or portable ones with the same results. */
export interface PayloadKernels {
  /** Computes the payload's part of a chunk's checksum. */
  readonly sum: (payload: Uint8Array) => bigint;
  /** Copies all of `payload`. Returns its part of the checksum when that was computed on the way. */
  readonly copy: (target: Uint8Array, payload: Uint8Array) => bigint | undefined;
  /** The library that sums and rounds pieces too; undefined for the portable loops. */
  readonly library?: ExchangeKernels;
}

/** Memories that the portable checksum can reach, by their buffer. */
const kernelsOf = new WeakMap<ArrayBufferLike, Kernels>();
const MASK = (1n << 64n) - 1n;
let scratch = openSummable(0);

/** Allocates memory whose bytes the portable checksum reads in place; it has to copy those of any other memory first. */
export function openSummable(sizeBytes: number): Buffer {
  const { memory, kernels, ranges } = openArena({ ranges: { bytes: Math.ceil(sizeBytes / 4) } });
  kernelsOf.set(memory.buffer, kernels);
  return Buffer.from(memory.buffer as ArrayBuffer, ranges.bytes.byteOffset, sizeBytes);
}

function portableSum(payload: Uint8Array): bigint {
  const kernels = kernelsOf.get(payload.buffer);
  if (kernels !== undefined) return kernels.checksum(payload.byteOffset, payload.length / 4);
  if (scratch.length < payload.length) scratch = openSummable(payload.length);
  scratch.set(payload);
  return portableSum(scratch.subarray(0, payload.length));
}

/** In WebAssembly and JavaScript, for machines without the native library. */
export const PORTABLE_PAYLOADS: PayloadKernels = {
  sum: portableSum,
  copy: (target, payload) => {
    target.set(payload);
    return undefined;
  },
};

/** The loops of the native library; the portable ones where there is none. */
export function payloadKernels(library: ExchangeKernels | undefined): PayloadKernels {
  return library === undefined ? PORTABLE_PAYLOADS : { sum: library.checksum, copy: library.copy, library };
}

/** Computes the values' part of a chunk's checksum; there are few values. */
function valuesSum(values: Float64Array): bigint {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length * 2);
  let sum = 0n;
  let weighted = 0n;
  for (const word of words) {
    sum += BigInt(word);
    weighted += sum;
  }
  return weighted & MASK;
}

/** Combines the checksum of a chunk, as proto/maestro/v1/collective.proto defines it, from the payload's part and the values. */
export function chunkChecksum(payload: bigint, values: Float64Array): bigint {
  return (payload + valuesSum(values)) & MASK;
}
