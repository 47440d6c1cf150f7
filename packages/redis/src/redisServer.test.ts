import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { Redis } from 'ioredis';
import { startRedisServer } from './redisServer.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'maestro-redis-'));
});
afterEach(() => rm(dir, { recursive: true, maxRetries: 5 }));

async function withClient<T>(url: string, work: (client: Redis) => Promise<T>): Promise<T> {
  const client = new Redis(url);
  try {
    return await work(client);
  } finally {
    client.disconnect();
  }
}

test('what was written is there after the server was stopped and started again', async () => {
  const first = await startRedisServer({ dir: join(dir, 'made', 'for', 'it') });
  await withClient(first.url, (client) => client.set('step', 812));
  await first.stop();
  const second = await startRedisServer({ dir: join(dir, 'made', 'for', 'it') });
  expect(await withClient(second.url, (client) => client.get('step'))).toBe('812');
  await second.stop();
  await second.stop();
});

test('the server ends with the process that started it, kill -9 included', async () => {
  const script = `import { startRedisServer } from ${JSON.stringify(new URL('./redisServer.js', import.meta.url).href)};
    console.log((await startRedisServer({ dir: ${JSON.stringify(dir)} })).url);`;
  const parent = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [url] = await once(parent.stdout, 'data');
  const port = Number(new URL(String(url)).port);
  expect(await isOpen(port)).toBe(true);
  parent.kill('SIGKILL');
  const deadline = Date.now() + 20_000;
  while (await isOpen(port)) expect(Date.now()).toBeLessThan(deadline);
});

test('a server that was killed says so, and one on the same port and folder has its data', async () => {
  const first = await startRedisServer({ dir });
  await withClient(first.url, (client) => client.set('step', 812));
  process.kill(first.pid, 'SIGKILL');
  expect(await first.exited).toBe('SIGKILL');
  const second = await startRedisServer({ dir, port: Number(new URL(first.url).port) });
  expect(await withClient(second.url, (client) => client.get('step'))).toBe('812');
  expect(second.pid).not.toBe(first.pid);
  await second.stop();
  expect(await second.exited).toBe('exit code 0');
});

test('a server that a signal has stopped ends, too', async () => {
  const server = await startRedisServer({ dir });
  process.kill(server.pid, 'SIGSTOP');
  await server.stop();
  expect(await server.exited).toBe('exit code 0');
});

test('a port in use is reported in the server’s words when it was asked for', async () => {
  const server = await startRedisServer({ dir });
  const port = Number(new URL(server.url).port);
  await expect(startRedisServer({ dir: join(dir, 'second'), port })).rejects.toMatchObject({
    code: 'redis-unavailable',
    message: expect.stringMatching(new RegExp(`did not start on port ${port}.*in use`, 'i')),
  });
  await server.stop();
});

test('a missing binary is reported with what to do', async () => {
  await expect(startRedisServer({ dir, env: { PATH: dir } })).rejects.toThrow(
    'no redis-server on PATH: install Redis (Debian: apt-get install redis-server)',
  );
  await expect(startRedisServer({ dir, env: { MAESTRO_REDIS_SERVER: join(dir, 'none') } })).rejects.toThrow(
    'which is not an executable program',
  );
});

function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}
