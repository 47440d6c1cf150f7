import { connect, type NetConnectOpts, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { MaestroError } from '@maestro/protocol';
import { openSummable } from '../wire/checksum.ts';
import { openControlChannel } from '../wire/controlChannel.ts';
import {
  DATA_FLAGS,
  FIRST_STREAM,
  FRAME_HEADER_BYTES,
  FRAME_TYPES,
  type FrameHeader,
  readFrameHeader,
  windowUpdates,
} from '../wire/http2Frame.ts';

/** Offset in the buffer at which frames begin, so that a frame's payload is aligned to 8 bytes. */
const BEGIN = 16 - FRAME_HEADER_BYTES;
/** Limits the bytes read beyond the end of a frame. They are moved; they are the next frame's header or several small frames. */
const BEYOND_BYTES = 1 << 10;
const LEAST_READ_BYTES = 32 << 10;
/** Number of spare buffers kept for data that must wait: as many as messages fit in the window. */
const MOST_SPARE = 4;
const LEAST_SPARE_BYTES = 1 << 18;

/** A connection that reads its first stream's DATA frames past node:http2; see {@link openInboundTap}. */
export interface InboundTap {
  /** The stream that node:http2 uses as the connection. */
  readonly channel: Duplex;
  readonly bytesRead: () => number;
  /**
   * Starts calling `data` with the DATA of the first stream. `bytes` are valid until it returns; on false, nothing more is delivered before
   * `resume`.
   */
  readonly start: (data: (bytes: Buffer) => boolean) => void;
  /** Delivers what has arrived since `data` returned false. */
  readonly resume: () => void;
}

/** Options of {@link openInboundTap}. */
export interface InboundTapOptions {
  readonly target: { readonly path: string } | { readonly host: string; readonly port: number };
  readonly tls?: ConnectionOptions;
  /** The flow-control window of the first stream, as announced to the peer: how much it may send ahead of what was consumed. */
  readonly windowBytes: number;
  /** The largest frame, as announced to the peer. */
  readonly mostFrameBytes: number;
}

/**
 * Connects, and reads HTTP/2 frames into one reused buffer. node:http2 allocates 64 KiB for each read and makes a call for each 16 KiB of
 * DATA; collecting that garbage took a third of the time of an all-reduce. DATA frames of the first stream are delivered in place, and
 * their window is returned once they are consumed; all other frames go to node:http2.
 */
export async function openInboundTap({ target, tls, windowBytes, mostFrameBytes }: InboundTapOptions): Promise<InboundTap> {
  const buffer = openSummable(BEGIN + FRAME_HEADER_BYTES + mostFrameBytes + LEAST_READ_BYTES);
  let end = BEGIN;
  /** Minimum end of the next read: the end of the frame in progress. */
  let wanted = BEGIN + FRAME_HEADER_BYTES;
  let deliver: ((bytes: Buffer) => boolean) | undefined;
  /** Data received but not consumed: bounded by the window, which is not returned earlier. */
  const waiting: Buffer[] = [];
  /** Buffers freed once their data was delivered. */
  const spare: Buffer[] = [];
  let isHeld = true;
  let owed = 0;

  const giveBack = (bytes: number): void => {
    owed += bytes;
    if (owed < windowBytes / 4 || socket.destroyed) return;
    socket.write(windowUpdates(FIRST_STREAM, owed));
    owed = 0;
  };

  const keep = (bytes: Buffer): Buffer => {
    const at = spare.findIndex(({ length }) => length >= bytes.length);
    const memory = at < 0 ? Buffer.allocUnsafeSlow(bytes.length) : spare.splice(at, 1)[0]!;
    memory.set(bytes);
    return memory.length === bytes.length ? memory : memory.subarray(0, bytes.length);
  };

  const takeData = (begin: number, { length, flags }: FrameHeader): void => {
    const isPadded = (flags & DATA_FLAGS.padded) !== 0;
    const padding = isPadded ? buffer[begin]! + 1 : 0;
    if (padding > length) throw new MaestroError('protocol-violation', 'collective stream: a DATA frame with more padding than bytes');
    const first = begin + (isPadded ? 1 : 0);
    const bytes = buffer.subarray(first, first + length - padding);
    if (isHeld) waiting.push(keep(bytes));
    else isHeld = !deliver!(bytes);
    if (waiting.length === 0) giveBack(length);
    else if (padding > 0) giveBack(padding);
  };

  const take = (): void => {
    let begin = BEGIN;
    wanted = BEGIN + FRAME_HEADER_BYTES;
    while (end - begin >= FRAME_HEADER_BYTES) {
      const header = readFrameHeader(buffer, begin);
      if (header.length > mostFrameBytes) {
        throw new MaestroError(
          'protocol-violation',
          `collective stream: a frame of ${header.length} bytes, at most ${mostFrameBytes} are allowed`,
        );
      }
      const size = FRAME_HEADER_BYTES + header.length;
      if (end - begin < size) {
        wanted = BEGIN + size;
        break;
      }
      if (header.type === FRAME_TYPES.data && header.stream === FIRST_STREAM) {
        takeData(begin + FRAME_HEADER_BYTES, header);
        if ((header.flags & DATA_FLAGS.endStream) !== 0) channel.push(emptyEnd());
      } else channel.push(Buffer.from(buffer.subarray(begin, begin + size)));
      begin += size;
    }
    buffer.copyWithin(BEGIN, begin, end);
    end -= begin - BEGIN;
  };

  const onread = {
    buffer: () => buffer.subarray(end, Math.min(buffer.length, Math.max(wanted + BEYOND_BYTES, end + LEAST_READ_BYTES))),
    callback: (count: number) => {
      end += count;
      try {
        take();
      } catch (error) {
        channel.destroy(error as Error);
      }
      return true;
    },
  };
  const socket = await connected({ ...target, noDelay: true, onread }, tls);
  const channel = openControlChannel(socket);

  const resume = (): void => {
    isHeld = false;
    while (!isHeld && waiting.length > 0) {
      const bytes = waiting.shift()!;
      isHeld = !deliver!(bytes);
      if (bytes.length >= LEAST_SPARE_BYTES && spare.length < MOST_SPARE) spare.push(bytes);
      giveBack(bytes.length);
    }
  };
  return {
    channel,
    bytesRead: () => socket.bytesRead,
    start: (data) => {
      deliver = data;
      resume();
    },
    resume,
  };
}

/** Returns an empty DATA frame that ends the first stream. */
function emptyEnd(): Buffer {
  return Buffer.from([0, 0, 0, FRAME_TYPES.data, DATA_FLAGS.endStream, 0, 0, 0, FIRST_STREAM]);
}

type Target = NetConnectOpts & { readonly noDelay: boolean };

function connected(options: Target, tls: ConnectionOptions | undefined): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket =
      tls === undefined
        ? connect(options)
        : connectTls({
            ...('path' in options && { servername: 'localhost' }),
            ...tls,
            ...options,
            ALPNProtocols: ['h2'],
          } as ConnectionOptions);
    socket.once('error', reject);
    socket.once(tls === undefined ? 'connect' : 'secureConnect', () => {
      socket.off('error', reject);
      resolve(socket);
    });
  });
}
