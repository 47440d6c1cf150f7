/** Bytes before the payload of every HTTP/2 frame (RFC 9113, section 4.1). */
export const FRAME_HEADER_BYTES = 9;
/** The bytes that every HTTP/2 client sends first (RFC 9113, section 3.4). */
export const CLIENT_PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');
/** Initial flow-control window of a connection, and of a stream whose peer set no other (RFC 9113, section 6.9.2). */
export const DEFAULT_WINDOW_BYTES = 65_535;
/** The first stream that a client opens (RFC 9113, section 5.1.1). */
export const FIRST_STREAM = 1;

/** Frame types distinguished here (RFC 9113, section 6). */
export const FRAME_TYPES = { data: 0, headers: 1, settings: 4, windowUpdate: 8 } as const;
/** Flags of DATA frames. */
export const DATA_FLAGS = { endStream: 1, padded: 8 } as const;
/** Identifiers in SETTINGS frames. */
export const SETTINGS = { initialWindowSize: 4, maxFrameSize: 5 } as const;

/** The header of a frame. */
export interface FrameHeader {
  /** Bytes of the payload. */
  readonly length: number;
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
}

/** Reads the frame header at byte `at`. */
export function readFrameHeader(bytes: Buffer, at: number): FrameHeader {
  return {
    length: bytes.readUIntBE(at, 3),
    type: bytes[at + 3]!,
    flags: bytes[at + 4]!,
    stream: bytes.readUInt32BE(at + 5) & 0x7fffffff,
  };
}

/** Writes a frame header to byte `at`; returns where its payload begins. */
export function writeFrameHeader(target: Buffer, at: number, { length, type, flags, stream }: FrameHeader): number {
  target.writeUIntBE(length, at, 3);
  target[at + 3] = type;
  target[at + 4] = flags;
  return target.writeUInt32BE(stream, at + 5);
}

/** Encodes the frames that return `bytes` to the windows of `stream` and of its connection. */
export function windowUpdates(stream: number, bytes: number): Buffer {
  const frames = Buffer.allocUnsafe(2 * (FRAME_HEADER_BYTES + 4));
  let at = 0;
  for (const of of [stream, 0]) {
    at = writeFrameHeader(frames, at, { length: 4, type: FRAME_TYPES.windowUpdate, flags: 0, stream: of });
    at = frames.writeUInt32BE(bytes, at);
  }
  return frames;
}

/** Returns the values of a SETTINGS payload by identifier. */
export function readSettings(payload: Buffer): ReadonlyMap<number, number> {
  const settings = new Map<number, number>();
  for (let at = 0; at + 6 <= payload.length; at += 6) settings.set(payload.readUInt16BE(at), payload.readUInt32BE(at + 2));
  return settings;
}
