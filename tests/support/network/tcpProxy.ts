import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** Direction of bytes: from the client to the target, or back. */
export type Direction = 'toTarget' | 'toClient';

/** A TCP proxy that can simulate a bad network. */
export interface TcpProxy {
  /** Listen address, `host:port`. */
  readonly address: string;
  /**
   * From now on nothing passes and nobody is notified: sent data is held, as TCP would retransmit it, and so is the end of a connection.
   */
  cut(): void;
  /** Ends a cut: held data passes. */
  heal(): void;
  /** Breaks all existing connections, on both sides; new ones are served. */
  reset(): void;
  /** Delays each piece of data from now on, in milliseconds. */
  delay(ms: number): void;
  /** Flips the lowest bit of the `n`-th byte (from 0) that passes in that direction from now on; resolves when it has been sent on. */
  flipByte(n: number, direction: Direction): Promise<void>;
  /** Breaks all connections and stops listening. */
  close(): Promise<void>;
}

/** Limits the bytes held per direction of a connection; beyond it, reading stops. */
const MOST_HELD_BYTES = 4 << 20;

interface Flip {
  readonly direction: Direction;
  left: number;
  readonly done: () => void;
}

/** Starts a proxy in front of `target`, which is `host:port` or `unix:path`; connections to a missing target are broken. */
export async function startTcpProxy(target: string): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  let flips: Flip[] = [];
  let delayMs = 0;
  let isCut = false;
  let passable: Promise<void> = Promise.resolve();
  let open: () => void = () => undefined;

  /** Returns the bytes to send on. */
  const corrupted = (chunk: Buffer, direction: Direction): Buffer => {
    let bytes = chunk;
    for (const flip of flips.filter((candidate) => candidate.direction === direction)) {
      if (flip.left < chunk.length) {
        if (bytes === chunk) bytes = Buffer.from(chunk);
        bytes[flip.left]! ^= 1;
        flips = flips.filter((other) => other !== flip);
        flip.done();
      } else flip.left -= chunk.length;
    }
    return bytes;
  };

  /** Passes data from one socket to the other until it ends, and then the end. */
  const pump = async (from: Socket, to: Socket, direction: Direction): Promise<void> => {
    const held: { readonly dueMs: number; readonly chunk: Buffer }[] = [];
    let heldBytes = 0;
    let hasEnded = false;
    let wake: () => void = () => undefined;
    const changed = () =>
      new Promise<void>((resolve) => {
        wake = resolve;
      });
    from.on('data', (chunk: Buffer) => {
      held.push({ dueMs: Date.now() + delayMs, chunk });
      heldBytes += chunk.length;
      if (heldBytes > MOST_HELD_BYTES) from.pause();
      wake();
    });
    from.on('close', () => {
      hasEnded = true;
      wake();
    });
    from.on('end', () => {
      hasEnded = true;
      wake();
    });
    for (;;) {
      const next = held.shift();
      if (next === undefined) {
        if (hasEnded) break;
        await changed();
        continue;
      }
      const waitMs = next.dueMs - Date.now();
      if (waitMs > 0) await delay(waitMs);
      await passable;
      heldBytes -= next.chunk.length;
      from.resume();
      if (!to.writable) return;
      if (!to.write(corrupted(next.chunk, direction))) await drained(to);
    }
    await passable;
    if (from.errored !== null) breakOff(to);
    else to.end();
  };

  const server = createServer({ allowHalfOpen: true }, (client) => {
    const upstream = target.startsWith('unix:')
      ? connect({ path: target.slice(5), allowHalfOpen: true })
      : connect({
          host: target.slice(0, target.lastIndexOf(':')),
          port: Number(target.slice(target.lastIndexOf(':') + 1)),
          allowHalfOpen: true,
        });
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('error', () => undefined); // its pump sees it as the end of the connection
      socket.on('close', () => sockets.delete(socket));
    }
    void pump(client, upstream, 'toTarget');
    void pump(upstream, client, 'toClient');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');

  const reset = (): void => {
    for (const socket of sockets) breakOff(socket);
  };
  const heal = (): void => {
    isCut = false;
    open();
  };

  return {
    address: `127.0.0.1:${(server.address() as { readonly port: number }).port}`,
    cut() {
      if (isCut) return;
      isCut = true;
      passable = new Promise((resolve) => {
        open = resolve;
      });
    },
    heal,
    reset,
    delay(ms) {
      delayMs = ms;
    },
    flipByte: (n, direction) =>
      new Promise((done) => {
        flips.push({ direction, left: n, done });
      }),
    async close() {
      reset();
      heal();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Ends a connection by a reset; a Unix socket has none. */
function breakOff(socket: Socket): void {
  if (socket.remoteFamily === undefined || socket.connecting) socket.destroy();
  else socket.resetAndDestroy();
}

/** Resolves when the socket accepts more, or is closed. */
function drained(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      socket.off('drain', done);
      socket.off('close', done);
      resolve();
    };
    socket.on('drain', done);
    socket.on('close', done);
  });
}
