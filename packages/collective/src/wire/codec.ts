import { MaestroError } from '@maestro/protocol';

/** The kinds of {@link ChunkMessage}, by their number in proto/maestro/v1/collective.proto. */
export const CHUNK_KINDS = { scalars: 1, partial: 2, reduced: 3 } as const;

/** A key of {@link CHUNK_KINDS}. */
export type ChunkKind = keyof typeof CHUNK_KINDS;

/** A chunk message without its payload. */
export interface ChunkHeader {
  readonly generation: number;
  readonly step: number;
  readonly kind: ChunkKind;
  /** The partial's slot in the plan. */
  readonly slot: number;
  /** First element of the payload in the flat vector. */
  readonly first: number;
  /** Scalars, or the sum of squares of each block. */
  readonly values: Float64Array;
  /** Checksum of values and payload, see proto/maestro/v1/collective.proto; absent when the sender computes none. */
  readonly checksum?: bigint;
}

/** A decoded chunk message. `payload` is a view of the decoded bytes. */
export interface ChunkMessage extends ChunkHeader {
  /** float32, little-endian, or bfloat16 when the view gathers sums in it; a multiple of 4 bytes. */
  readonly payload: Uint8Array;
}

/**
 * The part of a Buffer that gRPC needs of a serialised message: it reads the size, allocates the frame, and has the message copied in. The
 * payload therefore goes from the vector into the frame in one copy.
 */
export interface ChunkFrame {
  readonly length: number;
  readonly byteLength: number;
  readonly copy: (target: Uint8Array, at: number) => void;
}

/** A serialised chunk that can also be sent from its own memory. */
export interface ChunkViews extends ChunkFrame {
  /** The message up to its payload. */
  readonly head: Uint8Array;
  /** The payload given to {@link encodeChunk}. */
  readonly payload: Uint8Array;
}

/** Bytes of gRPC's prefix in front of a message; with them the payload is aligned to 8 bytes. */
const FRAME_PREFIX = 5;
/** Limits the values of a message: far above need, far below harm. */
export const MOST_VALUES = 1 << 16;
const EMPTY_VALUES = new Float64Array(0);
const EMPTY_PAYLOAD = new Uint8Array(0);
const KIND_NAMES: readonly (ChunkKind | undefined)[] = [undefined, 'scalars', 'partial', 'reduced'];

/** Returns the maximum bytes of a message around its payload, values included: gRPC's message limit is this plus the payload. */
export function chunkOverhead(values: number): number {
  return 96 + values * 8;
}

/** Encodes a chunk message. The float32 payload is read only when it is copied or written to a socket. */
export function encodeChunk(header: ChunkHeader, payload: Uint8Array = EMPTY_PAYLOAD): ChunkViews {
  const head = Buffer.allocUnsafe(chunkOverhead(header.values.length));
  let at = 0;
  at = writeVarintField(head, at, 1, header.generation);
  at = writeVarintField(head, at, 2, header.step);
  at = writeVarintField(head, at, 3, CHUNK_KINDS[header.kind]);
  at = writeVarintField(head, at, 4, header.slot);
  at = writeVarintField(head, at, 5, header.first);
  if (header.values.length > 0) {
    head[at++] = tag(6, 2);
    at = writeVarint(head, at, header.values.length * 8);
    for (const value of header.values) at = head.writeDoubleLE(value, at);
  }
  if (header.checksum !== undefined) {
    head[at++] = tag(9, 1);
    at = head.writeBigUInt64LE(header.checksum, at);
  }
  if (payload.length > 0) {
    const lengthSize = varintSize(payload.length);
    const pad = (16 - ((FRAME_PREFIX + at + 2 + 1 + lengthSize) % 8)) % 8;
    head[at++] = tag(7, 2);
    head[at++] = pad;
    head.fill(0, at, at + pad);
    at += pad;
    head[at++] = tag(8, 2);
    at = writeVarint(head, at, payload.length);
  }
  const used = head.subarray(0, at);
  const length = used.length + payload.length;
  return {
    length,
    byteLength: length,
    head: used,
    payload,
    copy: (target, offset) => {
      target.set(used, offset);
      target.set(payload, offset + used.length);
    },
  };
}

/**
 * Decodes a chunk message from any protobuf encoder: fields in any order, the last of a repeated scalar field wins, unknown fields are
 * skipped. Throws `protocol-violation` on truncated bytes, a wrong wire type, a number beyond 2^53, an unknown kind or a payload with a
 * partial element.
 */
export function decodeChunk(bytes: Uint8Array): ChunkMessage {
  const reader: Reader = {
    bytes,
    at: 0,
    view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength),
  };
  let generation = 0;
  let step = 0;
  let kind = 0;
  let slot = 0;
  let first = 0;
  let values: Float64Array = EMPTY_VALUES;
  let payload: Uint8Array = EMPTY_PAYLOAD;
  let checksum: bigint | undefined;
  while (reader.at < bytes.length) {
    const key = readVarint(reader);
    const field = Math.floor(key / 8);
    const wire = key % 8;
    if (field === 0) throw violation(`field number 0 at byte ${reader.at}`);
    const expected = WIRE_TYPES[field];
    const single = field === 6 && wire === 1;
    if (expected !== undefined && wire !== expected && !single) {
      throw violation(`field ${field} has wire type ${wire}, expected ${expected}`);
    }
    if (field === 1) generation = readVarint(reader);
    else if (field === 2) step = readVarint(reader);
    else if (field === 3) kind = readVarint(reader);
    else if (field === 4) slot = readVarint(reader);
    else if (field === 5) first = readVarint(reader);
    else if (field === 6) values = appendValues(values, reader, single ? 8 : readVarint(reader));
    else if (field === 9) checksum = readFixed64(reader);
    else if (field === 8) payload = readBytes(reader, readVarint(reader));
    else skip(reader, wire);
  }
  const name = KIND_NAMES[kind];
  if (name === undefined) throw violation(`kind ${kind} is not one of 1, 2, 3`);
  if (payload.length % 4 !== 0) throw violation(`a payload of ${payload.length} bytes is not a whole number of float32`);
  return { generation, step, kind: name, slot, first, values, payload, ...(checksum !== undefined && { checksum }) };
}

interface Reader {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  at: number;
}

/** Wire type by field number. */
const WIRE_TYPES: readonly (number | undefined)[] = [undefined, 0, 0, 0, 0, 0, 2, 2, 2, 1];

function tag(field: number, wire: number): number {
  return field * 8 + wire;
}

function varintSize(value: number): number {
  let size = 1;
  for (let rest = Math.floor(value / 128); rest > 0; rest = Math.floor(rest / 128)) size++;
  return size;
}

function writeVarint(target: Uint8Array, at: number, value: number): number {
  let rest = value;
  let next = at;
  while (rest >= 128) {
    target[next++] = (rest % 128) + 128;
    rest = Math.floor(rest / 128);
  }
  target[next++] = rest;
  return next;
}

/** Omits a zero, as proto3 does. */
function writeVarintField(target: Uint8Array, at: number, field: number, value: number): number {
  if (value === 0) return at;
  target[at] = tag(field, 0);
  return writeVarint(target, at + 1, value);
}

function readVarint(reader: Reader): number {
  let value = 0;
  let scale = 1;
  for (let count = 0; count < 10; count++) {
    const byte = reader.bytes[reader.at++];
    if (byte === undefined) throw violation(`the message ends inside a number, at byte ${reader.bytes.length}`);
    value += (byte & 127) * scale;
    if (byte < 128) {
      if (!Number.isSafeInteger(value)) throw violation(`a number of ${value} is beyond 2^53`);
      return value;
    }
    scale *= 128;
  }
  throw violation(`a number of more than 10 bytes ends at byte ${reader.at}`);
}

function readFixed64(reader: Reader): bigint {
  const begin = reader.at;
  readBytes(reader, 8);
  return reader.view.getBigUint64(begin, true);
}

function readBytes(reader: Reader, length: number): Uint8Array {
  const begin = reader.at;
  if (begin + length > reader.bytes.length) {
    throw violation(`a field of ${length} bytes at byte ${begin} does not fit in a message of ${reader.bytes.length}`);
  }
  reader.at = begin + length;
  return reader.bytes.subarray(begin, reader.at);
}

function appendValues(values: Float64Array, reader: Reader, length: number): Float64Array {
  const begin = reader.at;
  readBytes(reader, length);
  if (length % 8 !== 0) throw violation(`values of ${length} bytes are not a whole number of float64`);
  const count = values.length + length / 8;
  if (count > MOST_VALUES) throw violation(`${count} values are more than ${MOST_VALUES}`);
  const all = new Float64Array(count);
  all.set(values);
  for (let i = 0; i < length / 8; i++) all[values.length + i] = reader.view.getFloat64(begin + i * 8, true);
  return all;
}

function skip(reader: Reader, wire: number): void {
  if (wire === 0) readVarint(reader);
  else if (wire === 1) readBytes(reader, 8);
  else if (wire === 2) readBytes(reader, readVarint(reader));
  else if (wire === 5) readBytes(reader, 4);
  else throw violation(`wire type ${wire} at byte ${reader.at} is not one of 0, 1, 2, 5`);
}

function violation(message: string): MaestroError {
  return new MaestroError('protocol-violation', `collective chunk: ${message}`);
}
