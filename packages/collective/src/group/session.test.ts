import { createServer, type Server, type Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, expect, test } from '@jest/globals';
import { openMemberSession, openSession } from './session.ts';

const keepalive = { timeMs: 1000, timeoutMs: 1000 };
const sockets = new Set<Socket>();
let server: Server | undefined;

afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  await new Promise<void>((resolve) => (server === undefined ? resolve() : server.close(() => resolve())));
  server = undefined;
});

/** A server that takes connections, and then does with them what the test says. */
function listen(onSocket: (socket: Socket) => void): Promise<string> {
  server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    onSocket(socket);
  });
  return new Promise((resolve) =>
    server!.listen(0, '127.0.0.1', () => resolve(`127.0.0.1:${(server!.address() as { port: number }).port}`)),
  );
}

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await turn();
}

test('a connection of members that is given up before it is up ends without a word', async () => {
  const address = await listen(() => {});
  const { session } = await openMemberSession({ address, keepalive });
  session.destroy();
  await turns(5);
  expect(session.destroyed).toBe(true);
});

test('a connection that its server ends at once rejects, or is one that ends', async () => {
  const address = await listen((socket) => socket.resetAndDestroy());
  const opened = await openSession({ address, keepalive }).catch(() => undefined);
  await new Promise<void>((resolve) => (opened === undefined || opened.destroyed ? resolve() : opened.once('close', () => resolve())));
  expect(opened?.destroyed ?? true).toBe(true);
});
