import { MaestroError } from '@maestro/protocol';

/** Bytes before each message in a gRPC stream: a flag and the length. */
const PREFIX_BYTES = 5;

/** Cuts a gRPC stream into messages; see {@link openMessageReader}. */
export interface MessageReader {
  /** Takes the next bytes of the stream. False when a message was not taken: then nothing may be pushed until `retry` gives true. */
  readonly push: (bytes: Buffer) => boolean;
  /** Offers the message that was not taken again, then what followed it. */
  readonly retry: () => boolean;
}

/**
 * Assembles messages in one buffer that is reused, in which a message begins 5 bytes after a multiple of 8, as in its frame. HTTP/2
 * delivers 16 KiB at a time: gathering those in private memory and moving whole messages on is what makes copies to shared memory
 * run word by word.
 * `take` gets each message, valid until it returns, and says whether it took it.
 * Throws `protocol-violation` for compressed messages and those over `mostBytes`.
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
    size = PREFIX_BYTES + length;
    if (size <= buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(size);
    larger.set(buffer.subarray(0, PREFIX_BYTES));
    buffer = larger;
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
      const count = Math.min(size - filled, bytes.length - at);
      buffer.set(count === bytes.length ? bytes : bytes.subarray(at, at + count), filled);
      filled += count;
      at += count;
      if (filled === PREFIX_BYTES && size === PREFIX_BYTES) begin();
      if (filled === size && !finish()) {
        rest = bytes.subarray(at);
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
