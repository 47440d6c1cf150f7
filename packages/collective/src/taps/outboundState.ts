import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { FloatVector } from '../plan/vector.ts';
import { encodeStateEnd, encodeStatePiece, STATE_PIECE_FLOATS } from '../state/stateMessages.ts';
import type { ChunkFrame } from '../wire/codec.ts';

/** A member's state after `step` optimiser steps. */
export interface MemberState {
  readonly step: number;
  /** Parameters, first moments, second moments; may be in shared memory and split into segments. */
  readonly vectors: readonly FloatVector[];
  /** Called once `vectors` are no longer read, for vectors that belong to one request: a request for ranges. */
  readonly release?: () => void;
}

/** A state cut into the messages of its stream. */
export interface OutboundState {
  /** Number of messages, the end included. */
  readonly count: number;
  /** Returns message `n`, whose bytes are read when gRPC copies them. Message `n - 1` must have been requested before, by any puller. */
  readonly message: (n: number) => ChunkFrame;
}

interface Piece {
  readonly vector: number;
  readonly first: number;
  readonly bytes: Uint8Array;
}

/**
 * Cuts a state into pieces of at most 1 MiB, each within one segment. Checksums and the hash are computed piece by piece as the first
 * puller reaches them, so that a turn of the event loop hashes at most 1 MiB, and all pullers share them.
 */
export function openOutboundState({ step, vectors }: MemberState): OutboundState {
  const lengths: number[] = [];
  const pieces: Piece[] = [];
  for (const [vector, value] of vectors.entries()) {
    let first = 0;
    for (const segment of value instanceof Float32Array ? [value] : value) {
      for (let at = 0; at < segment.length; at += STATE_PIECE_FLOATS) {
        const { buffer, byteOffset, length } = segment.subarray(at, at + STATE_PIECE_FLOATS);
        pieces.push({ vector, first: first + at, bytes: new Uint8Array(buffer, byteOffset, 4 * length) });
      }
      first += segment.length;
    }
    lengths.push(first);
  }
  const checksums = new Uint32Array(pieces.length);
  const hash = createHash('sha256');
  let hashed = 0;
  let end: ChunkFrame | undefined;

  return {
    count: pieces.length + 1,
    message: (n) => {
      const piece = pieces[n];
      if (piece === undefined) {
        end ??= encodeStateEnd({ step, sha256: hash.digest(), lengths });
        return end;
      }
      if (n === hashed) {
        checksums[n] = crc32(piece.bytes);
        hash.update(piece.bytes);
        hashed++;
      }
      return encodeStatePiece({ vector: piece.vector, first: piece.first, crc32: checksums[n]! }, piece.bytes);
    },
  };
}
