import { BLOCKS_PER_PIECE, gatheredBytes, type Piece, pieceAt, pieceCount } from '../group/lane.ts';
import type { RoundPosition } from '../group/round.ts';
import { openNativeSums } from './nativeSums.ts';
import type { PieceSumsOptions } from './pieceSums.ts';
import { openPortableSums } from './portableSums.ts';

/**
 * Staging is as deep as fits in these bytes, at least {@link LEAST_DEPTH} pieces: it depends on the number of partials, not on the model's
 * size.
 */
const STAGING_BYTES = 64 << 20;
const LEAST_DEPTH = 2;
const MOST_DEPTH = 8;

/** What became of a payload: `false` when there was no room for it, else its checksum if that was computed on the way. */
export type Stored = false | bigint | undefined;

/** The owner's part of the reduce-scatter: stages partials of its chunk and adds them in the plan's order, piece by piece. */
export interface Reducer {
  /** Pieces of the own chunk in a step. */
  readonly pieces: number;
  /** Pieces reduced since the reducer was opened, over all steps. */
  readonly done: () => number;
  /**
   * Takes a received partial of piece `piece` (counted over all steps): copies it to its slot or, when it is the last one of the next piece,
   * sums that piece at once. There is no room when the sender is ahead of the slowest member by more than the staging holds: it must be held
   * back until {@link reduceNext}.
   */
  readonly stage: (slot: number, piece: number, payload: Uint8Array) => Stored;
  /** True when every partial of the next piece has arrived. */
  readonly isReady: () => boolean;
  /** The payload's part of the checksum of piece `n` of this step; undefined unless {@link ReducerOptions.checksums} is set. */
  readonly payloadSum: (n: number) => bigint | undefined;
  /** Sums the next piece, writes it to `reduced` and its sums of squares to `blockSumSquares`. */
  readonly reduceNext: () => void;
  /** Returns piece `n` of this step in its wire format; undefined when that is the same as in `reduced`. */
  readonly packed: (n: number) => Uint8Array | undefined;
  /** Writes a received piece of another member's chunk to `reduced`; returns its checksum if that was computed on the way. */
  readonly takeReduced: (piece: Piece, payload: Uint8Array) => bigint | undefined;
}

/** Options of {@link openReducer}. */
export interface ReducerOptions extends Omit<PieceSumsOptions, 'depth'> {
  /** This member's position in its rounds: its own partials are final for the pieces of `reductions` reductions. */
  readonly position: Readonly<Pick<RoundPosition, 'reductions'>>;
}

/** Opens the reducer and allocates all of its staging memory. */
export function openReducer(options: ReducerOptions): Reducer {
  const { plan, self, position } = options;
  const pieces = pieceCount(plan, self);
  const remotes = plan.partials.filter(({ member }) => member !== self).length;
  const pieceBytes = BLOCKS_PER_PIECE * plan.blockSize * Float32Array.BYTES_PER_ELEMENT;
  const fitting = Math.floor(STAGING_BYTES / (pieceBytes * Math.max(remotes, 1)));
  const depth = remotes === 0 ? 1 : Math.min(MOST_DEPTH, Math.max(LEAST_DEPTH, fitting));
  const { library } = options.payloads;
  const sums = library === undefined ? openPortableSums({ ...options, depth }) : openNativeSums({ ...options, depth }, library);
  const payloadSums: (bigint | undefined)[] = [];
  const staged = new Int32Array(depth);
  let done = 0;

  const sumNext = (late?: { readonly slot: number; readonly payload: Uint8Array }): bigint | undefined => {
    const found = sums.sum(pieceAt(plan, self, done % pieces), done, late);
    payloadSums[done % pieces] = found.gathered;
    staged[done % depth] = 0;
    done++;
    return found.late;
  };

  return {
    pieces,
    done: () => done,
    stage: (slot, piece, payload) => {
      if (piece >= done + depth) return false;
      const isLast = piece === done && staged[piece % depth] === remotes - 1 && done < position.reductions * pieces;
      if (isLast) return sumNext({ slot, payload });
      staged[piece % depth]!++;
      return sums.store(slot, piece, payload);
    },
    isReady: () => staged[done % depth] === remotes,
    payloadSum: (n) => payloadSums[n],
    reduceNext: () => void sumNext(),
    packed: (n) => sums.packed(n, gatheredBytes(plan, pieceAt(plan, self, n).count)),
    takeReduced: sums.takeReduced,
  };
}
