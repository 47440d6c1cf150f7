import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** Which way bytes go: from who connected to the target, or back. */
export type Direction = 'toTarget' | 'toClient';

/** A TCP proxy that can be made a bad network. */
export interface TcpProxy {
  /** Where it listens, `host:port`. */
  readonly address: string;
  /**
   * From now on nothing passes and nothing is said: what is sent is held, as TCP would send it again, and so is the end of a connection.
   */
  cut(): void;
  /** Ends a cut: what was held passes. */
  heal(): void;
  /** Breaks all connections that there are, on both sides; new ones are served. */
  reset(): void;
  /** Each piece of data takes so much longer from now on, in milliseconds. */
  delay(ms: number): void;
  /** Flips the lowest bit of the byte that is `n`-th (from 0) to pass in that direction from now on; resolves when it has been sent on. */
  flipByte(n: number, direction: Direction): Promise<void>;
  /** Breaks all connections and stops listening. */
  close(): Promise<void>;
}

/** Bytes that may wait in a direction of a connection before no more is read. */
const MOST_HELD_BYTES = 4 << 20;

interface Flip {
  readonly direction: Direction;
  left: number;
  readonly done: () => void;
}

/** Starts a proxy before `target`, which is `host:port` or `unix:path`; a target that is not there breaks the connections to it. */
export async function startTcpProxy(target: string): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  let flips: Flip[] = [];
  let delayMs = 0;
  let isCut = false;
  let passable: Promise<void> = Promise.resolve();
  let open: () => void = () => undefined;

  /** The bytes as they are to be sent on. */
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

  /** Passes what comes from one socket to the other until it ends, and then the end. */
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
      socket.on('error', () => undefined); // seen by its pump, as the end of the connection
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

/** Ends a connection by a reset; a Unix socket knows none. */
function breakOff(socket: Socket): void {
  if (socket.remoteFamily === undefined || socket.connecting) socket.destroy();
  else socket.resetAndDestroy();
}

/** Resolves when the socket takes more, or is closed. */
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
