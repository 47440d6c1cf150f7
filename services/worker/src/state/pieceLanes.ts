import { PIECE_FLOATS, type VectorRange } from './partFile.ts';
import { sharedFloats } from './sharedVector.ts';

/** Number of pieces in flight: 32 MiB, all the memory that writing a part takes. */
const LANES = 32;

/** Calls `each` for every piece, several concurrently, each with its own memory until it is done. Resolves when all have ended. */
export async function onLanes(
  pieces: readonly VectorRange[],
  each: (piece: VectorRange, values: Float32Array) => Promise<void>,
): Promise<void> {
  const left = pieces.values();
  const lane = async (): Promise<void> => {
    const buffer = sharedFloats(PIECE_FLOATS);
    for (const piece of left) await each(piece, buffer.subarray(0, piece.length));
  };
  const ended = await Promise.allSettled(Array.from({ length: Math.min(LANES, pieces.length) }, lane));
  const failed = ended.find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}
