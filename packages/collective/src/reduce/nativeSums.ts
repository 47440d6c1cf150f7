import { openArena } from '@maestro/kernels';
import type { ExchangeKernels } from '@maestro/native';
import { type Piece, pieceCount } from '../group/lane.ts';
import type { OpenVector } from '../plan/vector.ts';
import { layPieces, type PieceSums, type PieceSumsOptions } from './pieceSums.ts';

/**
 * Sums pieces where they are: own partials in their vectors, the last partial to arrive in the buffer it was read to, the sum straight into
 * `reduced`. Only what spans two segments of a vector goes through memory of its own.
 */
export function openNativeSums(
  { plan, self, partials, reduced, blockSumSquares, depth }: Omit<PieceSumsOptions, 'payloads' | 'checksums'>,
  library: ExchangeKernels,
): PieceSums {
  const isRounded = plan.allGather === 'bf16';
  const layout = layPieces({ plan, self, depth });
  const { pieceFloats, place, isOwn, remotes, packedPlace } = layout;
  const { ranges } = openArena({ ranges: { ...layout.ranges, sum: pieceFloats } });
  const [ownBytes, staging, packed, spanning] = [bytesOf(ranges.own), bytesOf(ranges.staging), bytesOf(ranges.packed), bytesOf(ranges.sum)];
  const own = plan.partials.filter(({ member }) => member === self);
  const remoteSlots = plan.partials.filter(({ slot }) => !isOwn[slot]).map(({ slot }) => slot);
  const pieces = pieceCount(plan, self);
  const pieceBytes = pieceFloats * Float32Array.BYTES_PER_ELEMENT;
  const { additions, result } = plan.programs[self]!;
  const summation = library.prepareSum({ terms: plan.partials.length, additions, result, block: plan.blockSize });

  const staged = (slot: number, piece: number): Uint8Array => {
    const at = ((piece % depth) * remotes + place[slot]!) * pieceBytes;
    return staging.subarray(at, at + pieceBytes);
  };

  const ownTerm = (vector: OpenVector, slot: number, { first, count }: Piece): Uint8Array => {
    const inPlace = vector.view(first, count);
    if (inPlace !== undefined) return inPlace;
    const copy = ownBytes.subarray(place[slot]! * pieceBytes, (place[slot]! + 1) * pieceBytes);
    vector.read(first, count, copy, 0);
    return copy;
  };

  /** Calls `fill` with the memory of a piece of `reduced`. */
  const intoReduced = <Result>({ first, count }: Piece, fill: (target: Uint8Array) => Result): Result => {
    const inPlace = reduced.view(first, count);
    if (inPlace !== undefined) return fill(inPlace);
    const filled = fill(spanning.subarray(0, count * Float32Array.BYTES_PER_ELEMENT));
    reduced.write(first, count, spanning, 0);
    return filled;
  };

  return {
    store: (slot, piece, payload) => library.copy(staged(slot, piece), payload),
    sum: (where, piece, late) => {
      for (const { slot, index } of own) summation.setTerm(slot, ownTerm(partials[index]!, slot, where));
      for (const slot of remoteSlots) summation.setTerm(slot, slot === late?.slot ? late.payload : staged(slot, piece));
      const at = packedPlace(piece % pieces) * Float32Array.BYTES_PER_ELEMENT;
      return intoReduced(where, (out) =>
        summation.run({
          out,
          squares: blockSumSquares.subarray(where.first / plan.blockSize),
          packed: isRounded ? packed.subarray(at, at + pieceBytes / 2) : undefined,
          late: late?.slot,
        }),
      );
    },
    packed: (n, size) => {
      const at = packedPlace(n) * Float32Array.BYTES_PER_ELEMENT;
      return isRounded ? packed.subarray(at, at + size) : undefined;
    },
    takeReduced: (where, payload) =>
      intoReduced(where, (target) => (isRounded ? library.unpack(target, payload) : library.copy(target, payload))),
  };
}

function bytesOf({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
