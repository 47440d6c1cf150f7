import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { MaestroError } from '@maestro/protocol';
import { type FloatVector, openVector } from '../plan/vector.ts';
import { decodeStateMessage, type StateEnd, type StateMessage } from '../state/stateMessages.ts';

/** Summary of a state that has arrived completely. */
export interface StateSummary {
  /** Number of optimiser steps applied. */
  readonly step: number;
  /** SHA-256 over all vectors in order, in hexadecimal. */
  readonly hash: string;
}

/** A state being received; see {@link openInboundState}. */
export interface InboundState {
  /** Accepts the next message. Throws `protocol-violation` when it is unexpected or damaged. */
  readonly take: (message: Buffer) => void;
  /** Bytes of vectors received so far. */
  readonly bytes: () => number;
  /** Defined once the last message has arrived and agrees with the ones before it. */
  readonly summary: () => StateSummary | undefined;
}

/** Writes the messages of a state's stream into vectors, which must have the lengths of the source's, and verifies every byte. */
export function openInboundState(into: readonly FloatVector[]): InboundState {
  const vectors = into.map(openVector);
  const hash = createHash('sha256');
  let vector = 0;
  let first = 0;
  let bytes = 0;
  let summary: StateSummary | undefined;

  const skipFull = (): void => {
    while (vector < vectors.length && first === vectors[vector]!.length) {
      vector++;
      first = 0;
    }
  };

  const takePiece = ({ payload, ...piece }: StateMessage): void => {
    skipFull();
    const found = `elements of vector ${piece.vector} from ${piece.first}`;
    const target = vectors[vector];
    if (target === undefined || piece.vector !== vector || piece.first !== first) {
      throw violation(`${found} came, due ${target === undefined ? 'is the end' : `are those of vector ${vector} from ${first}`}`);
    }
    const count = payload.length / Float32Array.BYTES_PER_ELEMENT;
    if (count === 0 || !Number.isInteger(count) || first + count > target.length) {
      throw violation(`${payload.length} bytes for ${found} do not fit in a vector of ${target.length} elements`);
    }
    const sum = crc32(payload);
    if (sum !== piece.crc32) throw violation(`the ${found} are damaged: CRC-32 ${hex(sum)}, expected ${hex(piece.crc32)}`);
    hash.update(payload);
    target.write(first, count, payload, 0);
    first += count;
    bytes += payload.length;
  };

  const takeEnd = ({ step, sha256, lengths }: StateEnd): void => {
    skipFull();
    const own = vectors.map(({ length }) => length);
    if (own.join() !== lengths.join()) throw violation(`its vectors have ${lengths.join(', ')} elements, expected are ${own.join(', ')}`);
    if (vector < vectors.length) throw violation(`the end came, due are elements of vector ${vector} from ${first}`);
    const digest = hash.digest('hex');
    const expected = Buffer.from(sha256).toString('hex');
    if (digest !== expected) throw violation(`the state is damaged: SHA-256 ${digest}, expected ${expected}`);
    summary = { step, hash: digest };
  };

  return {
    take: (message) => {
      if (summary !== undefined) throw violation('a message came after the end');
      const decoded = decodeStateMessage(message);
      if (decoded.end === null) takePiece(decoded);
      else takeEnd(decoded.end);
    },
    bytes: () => bytes,
    summary: () => summary,
  };
}

function hex(sum: number): string {
  return sum.toString(16).padStart(8, '0');
}

function violation(message: string): MaestroError {
  return new MaestroError('protocol-violation', message);
}
