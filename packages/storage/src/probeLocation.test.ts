import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { probeLocation } from './probeLocation.ts';
import { request } from './request.ts';

/** A server that accepts and never answers. */
let server: Server;
let url: string;
const sockets = new Set<Socket>();
const before = process.env['MAESTRO_S3_ENDPOINT'];
beforeAll(async () => {
  server = createServer((socket) => void sockets.add(socket.on('error', () => undefined)));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  process.env['MAESTRO_S3_ENDPOINT'] = url;
});
afterAll(() => {
  if (before === undefined) delete process.env['MAESTRO_S3_ENDPOINT'];
  else process.env['MAESTRO_S3_ENDPOINT'] = before;
  for (const socket of sockets) socket.destroy();
  server.close();
});

test('a store that accepts and never answers is told of within the time given', async () => {
  await expect(probeLocation('s3://bucket/runs', { timeoutMs: 300 })).rejects.toMatchObject({
    code: 'unavailable',
    message: 's3://bucket/runs: no answer within 0.3 s; check that the server is up and its address is correct',
  });
});

test('a path of this machine is not asked', async () => {
  await probeLocation('/nowhere', { timeoutMs: 1 });
});

test('a request that is not answered is sent twice, no more, and says so', async () => {
  let sent = 0;
  const send = (signal: AbortSignal): Promise<Response> => {
    sent++;
    return fetch(url, { signal });
  };
  await expect(request({ what: 'GET it', send, read: (response) => response.text(), timeoutMs: 100 })).rejects.toMatchObject({
    code: 'storage',
    message: 'GET it: no answer (nothing for 0.1 s); check that the server is up and its address is correct',
  });
  expect(sent).toBe(2);
});
