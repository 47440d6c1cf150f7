import { MaestroError } from '@maestro/protocol';

/** Bytes before each message in a gRPC stream: a flag and the length. */
const PREFIX_BYTES = 5;

/** Cuts a gRPC stream into messages; see {@link openMessageReader}. */
export interface MessageReader {
  /**
   * Accepts the next bytes of the stream. Returns false when a message was not accepted: nothing may be pushed until `retry` returns true.
   */
  readonly push: (bytes: Buffer) => boolean;
  /** Offers the refused message again, then what followed it. */
  readonly retry: () => boolean;
}

/**
 * Cuts a gRPC stream into messages. A message that arrives in one piece is passed on in place. Others are assembled in one reused buffer,
 * in which a message begins 5 bytes after a multiple of 8, as in its frame. HTTP/2 delivers 16 KiB at a time: gathering these in private
 * memory and then moving whole messages lets copies to shared memory run word by word. `take` receives each message, valid until it
 * returns, and returns whether it accepted the message. Throws `protocol-violation` for compressed messages and those over `mostBytes`.
 */
export function openMessageReader(mostBytes: number, take: (message: Buffer) => boolean): MessageReader {
  let buffer = Buffer.allocUnsafeSlow(1 << 12);
  let filled = 0;
  let size = PREFIX_BYTES;
  let rest: Buffer | undefined;

  const begin = (): void => {
    const length = buffer.readUInt32BE(1);
    if (buffer[0] !== 0) throw new MaestroError('protocol-violation', 'collective stream: a compressed message');
    if (length > mostBytes) {
      throw new MaestroError('protocol-violation', `collective stream: a message of ${length} bytes, at most ${mostBytes} are expected`);
    }
    makeRoom(PREFIX_BYTES + length);
  };

  /** Sizes the buffer for a message of `bytes`, prefix included. */
  const makeRoom = (bytes: number): void => {
    size = bytes;
    if (size <= buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(size);
    larger.set(buffer.subarray(0, filled));
    buffer = larger;
  };

  /** Returns the bytes of the message at `at`, prefix included; 0 unless it is complete and valid. */
  const wholeAt = (bytes: Buffer, at: number): number => {
    if (bytes.length - at < PREFIX_BYTES || bytes[at] !== 0) return 0;
    const length = bytes.readUInt32BE(at + 1);
    return length <= mostBytes && at + PREFIX_BYTES + length <= bytes.length ? PREFIX_BYTES + length : 0;
  };

  const finish = (): boolean => {
    if (!take(buffer.subarray(PREFIX_BYTES, size))) return false;
    filled = 0;
    size = PREFIX_BYTES;
    return true;
  };

  const push = (bytes: Buffer): boolean => {
    let at = 0;
    while (at < bytes.length) {
      const whole = filled === 0 ? wholeAt(bytes, at) : 0;
      if (whole > 0) {
        const message = bytes.subarray(at, at + whole);
        at += whole;
        if (take(message.subarray(PREFIX_BYTES))) continue;
        makeRoom(whole);
        buffer.set(message);
        filled = whole;
        rest = Buffer.from(bytes.subarray(at));
        return false;
      }
      const count = Math.min(size - filled, bytes.length - at);
      buffer.set(count === bytes.length ? bytes : bytes.subarray(at, at + count), filled);
      filled += count;
      at += count;
      if (filled === PREFIX_BYTES && size === PREFIX_BYTES) begin();
      if (filled === size && !finish()) {
        rest = Buffer.from(bytes.subarray(at));
        return false;
      }
    }
    return true;
  };

  return {
    push,
    retry: () => {
      const bytes = rest;
      if (bytes === undefined) return true;
      if (!finish()) return false;
      rest = undefined;
      return push(bytes);
    },
  };
}
