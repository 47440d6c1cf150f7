import { expect, test } from '@jest/globals';
import { serveMetrics } from './metricsServer.ts';

test('a process that cannot take work says why, lives all the same, and shows its metrics', async () => {
  let reason: string | undefined = 'nobody has taken this worker';
  const server = await serveMetrics('127.0.0.1:0', { read: async () => 'up 1\n', notReady: () => reason });
  const ask = async (path: string, method = 'GET') => {
    const response = await fetch(`http://${server.address}${path}`, { method });
    return [response.status, await response.text()];
  };
  expect(await ask('/healthz')).toEqual([200, 'ok\n']);
  expect(await ask('/readyz')).toEqual([503, 'nobody has taken this worker\n']);
  reason = undefined;
  expect(await ask('/readyz?now')).toEqual([200, 'ok\n']);
  expect(await ask('/metrics')).toEqual([200, 'up 1\n']);
  expect((await ask('/metrics', 'POST'))[0]).toBe(404);
  await server.close();
});

test('metrics that cannot be read are an error of that page alone', async () => {
  const server = await serveMetrics('127.0.0.1:0', { read: () => Promise.reject(new Error('no numbers')), notReady: () => undefined });
  const response = await fetch(`http://${server.address}/metrics`);
  expect([response.status, await response.text()]).toEqual([500, 'no numbers\n']);
  await server.close();
});
