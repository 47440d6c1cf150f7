import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { eventually } from '../eventually.ts';
import { startTcpProxy, type TcpProxy } from './tcpProxy.ts';

let server: Server;
let proxy: TcpProxy;
let clients: Socket[] = [];

/** A server that echoes. */
beforeEach(async () => {
  server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.pipe(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  proxy = await startTcpProxy(`127.0.0.1:${(server.address() as { port: number }).port}`);
});

afterEach(async () => {
  for (const client of clients) client.destroy();
  clients = [];
  await proxy.close();
  server.close();
});

interface Conversation {
  readonly socket: Socket;
  received: string;
  closedBy: string;
}

async function converse(): Promise<Conversation> {
  const socket = connect({ host: '127.0.0.1', port: Number(proxy.address.split(':')[1]) });
  clients.push(socket);
  const conversation: Conversation = { socket, received: '', closedBy: '' };
  socket.setEncoding('latin1').on('data', (text: string) => {
    conversation.received += text;
  });
  socket.on('error', (error: NodeJS.ErrnoException) => {
    conversation.closedBy = error.code!;
  });
  await once(socket, 'connect');
  return conversation;
}

/** Resolves when the socket is closed, by an error or not. */
function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once('close', () => resolve()));
}

/** Sends a question and waits for its echo. */
async function ask(conversation: Conversation, text: string): Promise<void> {
  const before = conversation.received.length;
  conversation.socket.write(text, 'latin1');
  await eventually('the echo', () => conversation.received.length >= before + text.length, { timeoutMs: 5000, pollMs: 1 });
}

test('large data passes unchanged, and so does the end of a connection', async () => {
  const conversation = await converse();
  const text = Array.from({ length: 1 << 20 }, (_, i) => String.fromCharCode(i % 251)).join('');
  await ask(conversation, text);
  expect(conversation.received === text).toBe(true);
  conversation.socket.end();
  await closed(conversation.socket);
  expect(conversation.closedBy).toBe('');
});

test('a cut is silent, for new connections as well, and what was sent meanwhile arrives after healing', async () => {
  const [cut, other] = [await converse(), await converse()];
  await ask(cut, 'before ');
  proxy.cut();
  cut.socket.write('during ');
  const late = await converse();
  late.socket.write('late');
  // What passes the proxy passes in well under the time of ten round trips to another one.
  const control = await startTcpProxy(`127.0.0.1:${(server.address() as { port: number }).port}`);
  const probe = connect({ host: '127.0.0.1', port: Number(control.address.split(':')[1]) });
  for (let i = 0; i < 10; i++) {
    probe.write('x');
    await once(probe, 'data');
  }
  probe.destroy();
  await control.close();
  expect([cut.received, late.received, cut.closedBy, other.closedBy]).toEqual(['before ', '', '', '']);
  proxy.heal();
  await eventually('what was held', () => cut.received === 'before during ' && late.received === 'late');
  await ask(other, 'well');
});

test('a reset breaks what there is, and new connections are served', async () => {
  const broken = await converse();
  await ask(broken, 'hello');
  proxy.reset();
  await closed(broken.socket);
  expect(broken.closedBy).toBe('ECONNRESET');
  await ask(await converse(), 'hello');
});

test('a delay holds each way for so long', async () => {
  const conversation = await converse();
  await ask(conversation, 'quick');
  proxy.delay(60);
  const began = performance.now();
  await ask(conversation, 'slow');
  expect(performance.now() - began).toBeGreaterThanOrEqual(118); // timers round to a millisecond
});

test('one byte is flipped, the one that was asked for, once', async () => {
  const conversation = await converse();
  await ask(conversation, 'aaaa');
  const flipped = proxy.flipByte(5, 'toTarget');
  await ask(conversation, 'aaa');
  await ask(conversation, 'aaaaa');
  await flipped;
  await ask(conversation, 'aaaaaaaa');
  expect(conversation.received).toBe(`aaaaaaaaa\`${'a'.repeat(10)}`);
  void proxy.flipByte(0, 'toClient');
  await ask(conversation, 'c');
  expect(conversation.received.at(-1)).toBe('b');
});

test('a target that is gone breaks the connection', async () => {
  const away = await startTcpProxy('unix:/nowhere/at/all.sock');
  const socket = connect({ host: '127.0.0.1', port: Number(away.address.split(':')[1]) });
  socket.on('error', () => undefined);
  await closed(socket);
  await away.close();
});
