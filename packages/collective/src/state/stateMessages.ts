import type { MethodDefinition } from '@grpc/grpc-js';
import { errorMessage, loadService, MaestroError } from '@maestro/protocol';
import type { ChunkFrame } from '../wire/codec.ts';

/** Float32 elements of one piece at most: 1 MiB. */
export const STATE_PIECE_FLOATS = 1 << 18;

/** Bytes of the largest state message: a piece, or the end with the lengths of a few hundred vectors. */
export const MOST_STATE_MESSAGE_BYTES = STATE_PIECE_FLOATS * Float32Array.BYTES_PER_ELEMENT + (1 << 12);

/** Where a piece lies, and its checksum. */
export interface StatePieceHeader {
  /** Index of the vector. */
  readonly vector: number;
  /** First element in it. */
  readonly first: number;
  /** CRC-32 of the payload, as zlib has it. */
  readonly crc32: number;
}

/** What ends a state's stream. */
export interface StateEnd {
  /** Optimiser steps applied. */
  readonly step: number;
  /** SHA-256 over all payloads in order. */
  readonly sha256: Uint8Array;
  /** Elements of each vector. */
  readonly lengths: readonly number[];
}

/** A decoded message: the end, or a piece. `payload` views the bytes that were decoded. */
export interface StateMessage extends StatePieceHeader {
  /** float32, little-endian. */
  readonly payload: Uint8Array;
  readonly end: StateEnd | null;
}

/** The messages as proto-loader has them: it views payloads when it decodes, so only encoding them is done by hand. */
const CODEC = loadService('collective.proto', 'Collective').service.PullState as MethodDefinition<object, Partial<StateMessage>>;

/** Bytes that gRPC puts before a message in its frame. */
const FRAME_PREFIX = 5;
const PADDING_TAG = (4 << 3) | 2;
const PAYLOAD_TAG = (5 << 3) | 2;

/** Encodes a piece: as {@link ChunkFrame} says, the payload goes from its memory into the frame in one copy. At most 2^28 bytes. */
export function encodeStatePiece(header: StatePieceHeader, payload: Uint8Array): ChunkFrame {
  const fields = CODEC.responseSerialize(header);
  // Tag and size of the padding, tag and four bytes of size of the payload: a varint may be longer than it must be.
  const pad = (8 - ((FRAME_PREFIX + fields.length + 7) % 8)) % 8;
  const head = Buffer.alloc(fields.length + pad + 7);
  head.set(fields);
  head.set([PADDING_TAG, pad], fields.length);
  const size = payload.length;
  const sizeBytes = [(size & 127) | 128, ((size >> 7) & 127) | 128, ((size >> 14) & 127) | 128, size >> 21];
  head.set([PAYLOAD_TAG, ...sizeBytes], fields.length + 2 + pad);
  const length = head.length + size;
  return {
    length,
    byteLength: length,
    copy: (target, at) => {
      target.set(head, at);
      target.set(payload, at + head.length);
    },
  };
}

/** Encodes the end. */
export function encodeStateEnd(end: StateEnd): ChunkFrame {
  const bytes = CODEC.responseSerialize({ end });
  return { length: bytes.length, byteLength: bytes.length, copy: (target, at) => target.set(bytes, at) };
}

/** Decodes a message of any protobuf encoder. Throws `protocol-violation` when it is none. */
export function decodeStateMessage(bytes: Buffer): StateMessage {
  try {
    return CODEC.responseDeserialize(bytes) as StateMessage;
  } catch (error) {
    throw new MaestroError('protocol-violation', `state message of ${bytes.length} bytes: ${errorMessage(error)}`, { cause: error });
  }
}
