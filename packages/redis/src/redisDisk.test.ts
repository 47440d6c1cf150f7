import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { connectRedis } from './redisConnection.ts';
import { startRedisServer } from './redisServer.ts';

const dir = mkdtempSync(join(tmpdir(), 'maestro-redis-disk-'));
const lack = (() => {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', dir], { stdio: 'pipe' });
    return undefined;
  } catch {
    rmdirSync(dir);
    return 'mounting a tmpfs needs root on Linux';
  }
})();
/** Skips with the reason in the test's name. */
const testOnDisk = (name: string, run: () => Promise<void>) =>
  lack === undefined ? test(name, run) : test.skip(`${name} (skipped: ${lack})`, run);

testOnDisk('a Redis of ours takes writes while its disk is full, and has its file again when there is room', async () => {
  let server = await startRedisServer({ dir: join(dir, 'redis') });
  let redis = await connectRedis(server.url, { timeoutMs: 5000 });
  try {
    const infoOf = async (name: string): Promise<string> => new RegExp(`${name}:(\\S+)`).exec(await redis.client.info('persistence'))![1]!;
    await redis.client.set('before', 1);
    const { bavail, bsize } = statfsSync(dir);
    writeFileSync(join(dir, 'ballast'), Buffer.alloc(bavail * bsize));
    // Until the file's last page is full, and Redis has seen that it cannot go on, writes are taken; then they are refused for a moment.
    let refused = 0;
    const deadlineMs = Date.now() + 40_000;
    for (let i = 0; (await infoOf('aof_enabled')) === '1'; i++) {
      if (Date.now() > deadlineMs) throw new Error('Redis was not told to go on without its file');
      await redis.client.set(`during:${i % 50}`, 'x'.repeat(200)).catch(() => refused++);
    }
    expect(refused).toBeGreaterThan(0);
    expect(await redis.client.set('during', 2)).toBe('OK');
    rmSync(join(dir, 'ballast'));
    while ((await infoOf('aof_enabled')) !== '1' || (await infoOf('aof_rewrite_in_progress')) !== '0') {
      if (Date.now() > deadlineMs) throw new Error('Redis has no file again');
    }
    await redis.client.set('after', 3);
    await redis.close();
    await server.stop();
    server = await startRedisServer({ dir: join(dir, 'redis') });
    redis = await connectRedis(server.url, { timeoutMs: 5000 });
    expect(await redis.client.mget('before', 'during', 'after')).toEqual(['1', '2', '3']);
  } finally {
    await redis.close();
    await server.stop();
    execFileSync('umount', ['-l', dir]);
    rmdirSync(dir);
  }
});
