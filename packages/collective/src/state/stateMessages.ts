import type { MethodDefinition } from '@grpc/grpc-js';
import { errorMessage, loadService, MaestroError } from '@maestro/protocol';
import type { ChunkFrame } from '../wire/codec.ts';

/** Limits the float32 elements of one piece: 1 MiB. */
export const STATE_PIECE_FLOATS = 1 << 18;

/** Bytes of the largest state message: a piece, or the end with the lengths of a few hundred vectors. */
export const MOST_STATE_MESSAGE_BYTES = STATE_PIECE_FLOATS * Float32Array.BYTES_PER_ELEMENT + (1 << 12);

/** Position of a piece and its checksum. */
export interface StatePieceHeader {
  /** Index of the vector. */
  readonly vector: number;
  /** First element in it. */
  readonly first: number;
  /** CRC-32 of the payload, as computed by zlib. */
  readonly crc32: number;
}

/** The last message of a state's stream. */
export interface StateEnd {
  /** Number of optimiser steps applied. */
  readonly step: number;
  /** SHA-256 over all payloads in order. */
  readonly sha256: Uint8Array;
  /** Number of elements of each vector. */
  readonly lengths: readonly number[];
}

/** A decoded message: the end, or a piece. `payload` views the bytes that were decoded. */
export interface StateMessage extends StatePieceHeader {
  /** float32, little-endian. */
  readonly payload: Uint8Array;
  readonly end: StateEnd | null;
}

/** The message codec of proto-loader: it decodes payloads as views, so only encoding is done by hand. */
const CODEC = loadService('collective.proto', 'Collective').service.PullState as MethodDefinition<object, Partial<StateMessage>>;

/** Bytes of gRPC's prefix in front of a message. */
const FRAME_PREFIX = 5;
const PADDING_TAG = (4 << 3) | 2;
const PAYLOAD_TAG = (5 << 3) | 2;

/** Encodes a piece: as for {@link ChunkFrame}, the payload is copied once, from its memory into the frame. At most 2^28 bytes. */
export function encodeStatePiece(header: StatePieceHeader, payload: Uint8Array): ChunkFrame {
  const fields = CODEC.responseSerialize(header);
  // Tag and size of the padding, then tag and four size bytes of the payload: a varint may be longer than necessary.
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

/** Encodes the last message. */
export function encodeStateEnd(end: StateEnd): ChunkFrame {
  const bytes = CODEC.responseSerialize({ end });
  return { length: bytes.length, byteLength: bytes.length, copy: (target, at) => target.set(bytes, at) };
}

/** Decodes a message of any protobuf encoder. Throws `protocol-violation` when the bytes are not one. */
export function decodeStateMessage(bytes: Buffer): StateMessage {
  try {
    return CODEC.responseDeserialize(bytes) as StateMessage;
  } catch (error) {
    throw new MaestroError('protocol-violation', `state message of ${bytes.length} bytes: ${errorMessage(error)}`, { cause: error });
  }
}
