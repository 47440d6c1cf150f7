import { type Kernels, openArena } from '@maestro/kernels';

/** Memories that the checksum kernel can reach, by their buffer. */
const kernelsOf = new WeakMap<ArrayBufferLike, Kernels>();
const MASK = (1n << 64n) - 1n;
let scratch = openSummable(0);

/** Allocates memory whose bytes {@link payloadSum} reads in place; it has to copy those of any other memory first. */
export function openSummable(sizeBytes: number): Buffer {
  const { memory, kernels, ranges } = openArena({ ranges: { bytes: Math.ceil(sizeBytes / 4) } });
  kernelsOf.set(memory.buffer, kernels);
  return Buffer.from(memory.buffer as ArrayBuffer, ranges.bytes.byteOffset, sizeBytes);
}

/** Computes the payload's part of a chunk's checksum. */
export function payloadSum(payload: Uint8Array): bigint {
  const kernels = kernelsOf.get(payload.buffer);
  if (kernels !== undefined) return kernels.checksum(payload.byteOffset, payload.length / 4);
  if (scratch.length < payload.length) scratch = openSummable(payload.length);
  scratch.set(payload);
  return payloadSum(scratch.subarray(0, payload.length));
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
