import { openArena, sumLanes } from '@maestro/kernels';
import { pieceCount } from '../group/lane.ts';
import { gatheredWords, layPieces, type PieceSums, type PieceSumsOptions } from './pieceSums.ts';

/** Sums pieces in WebAssembly, which can only work on memory of its own: whatever it reads or writes elsewhere is copied. */
export function openPortableSums({
  plan,
  self,
  partials,
  reduced,
  blockSumSquares,
  checksums,
  depth,
}: Omit<PieceSumsOptions, 'payloads'>): PieceSums {
  const { blockSize } = plan;
  const { additions, result } = plan.programs[self]!;
  const isRounded = plan.allGather === 'bf16';
  const { pieceFloats, packedFloats, place, isOwn, remotes, ranges, packedPlace } = layPieces({ plan, self, depth });
  const arena = openArena({ ranges: { ...ranges, received: packedFloats, unpacked: isRounded ? pieceFloats : 0 } });
  const { kernels, lanes } = arena;
  const bytes = new Uint8Array(arena.memory.buffer);
  const own = plan.partials.filter(({ member }) => member === self);
  const pieces = pieceCount(plan, self);
  const pieceBytes = pieceFloats * Float32Array.BYTES_PER_ELEMENT;
  const address = (slot: number, piece: number): number =>
    isOwn[slot]
      ? arena.ranges.own.byteOffset + place[slot]! * pieceBytes
      : arena.ranges.staging.byteOffset + ((piece % depth) * remotes + place[slot]!) * pieceBytes;
  const packedAddress = (n: number): number => arena.ranges.packed.byteOffset + packedPlace(n) * Float32Array.BYTES_PER_ELEMENT;

  const store = (slot: number, piece: number, payload: Uint8Array): undefined => {
    bytes.set(payload, address(slot, piece));
    return undefined;
  };

  const sumSquares = (source: number, first: number, count: number): void => {
    for (let block = 0; block * blockSize < count; block++) {
      lanes.fill(0);
      const length = Math.min(blockSize, count - block * blockSize);
      kernels.sumSquares(source + block * blockSize * Float32Array.BYTES_PER_ELEMENT, length, lanes.byteOffset);
      blockSumSquares[first / blockSize + block] = sumLanes(lanes);
    }
  };

  return {
    store,
    sum: (where, piece, late) => {
      const { first, count } = where;
      if (late !== undefined) store(late.slot, piece, late.payload);
      for (const { slot, index } of own) partials[index]!.read(first, count, bytes, address(slot, piece));
      for (const { into, left, right } of additions) kernels.add(address(into, piece), address(left, piece), address(right, piece), count);
      const sum = address(result, piece);
      const packed = packedAddress(piece % pieces);
      if (isRounded) {
        kernels.packBfloat16(packed, sum, count);
        kernels.unpackBfloat16(sum, packed, count);
      }
      sumSquares(sum, first, count);
      const gathered = checksums ? kernels.checksum(isRounded ? packed : sum, gatheredWords(plan, where)) : undefined;
      reduced.write(first, count, bytes, sum);
      return { gathered, late: undefined };
    },
    packed: (n, size) => (isRounded ? bytes.subarray(packedAddress(n), packedAddress(n) + size) : undefined),
    takeReduced: ({ first, count }, payload) => {
      if (isRounded) {
        const { received, unpacked } = arena.ranges;
        bytes.set(payload, received.byteOffset);
        kernels.unpackBfloat16(unpacked.byteOffset, received.byteOffset, count);
        reduced.write(first, count, bytes, unpacked.byteOffset);
      } else reduced.write(first, count, payload, 0);
      return undefined;
    },
  };
}
