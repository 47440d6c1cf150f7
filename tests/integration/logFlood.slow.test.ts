import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { lineFilter, openLogArchive, readForward } from '@maestro/logs';
import { connectRedis, startRedisServer } from '@maestro/redis';
import { createLogger } from '@maestro/telemetry';
import { eventually } from '../support/eventually.ts';
import { talk } from '../support/logs/talk.ts';

const JOB = 'job-flood';

test('a process that logs 50,000 lines a second is not held up, and each line is archived or counted in a notice', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'maestro-flood-'));
  const server = await startRedisServer({ dir: join(dir, 'redis') });
  const redis = await connectRedis(server.url, { timeoutMs: 10_000 });
  const archive = await openLogArchive({ dataDir: join(dir, 'data'), redis, log: createLogger({ role: 'test', level: 'silent' }) });
  try {
    const flood = { redisUrl: server.url, job: JOB, linesPerSecond: 50_000, seconds: 2 };
    const plain = await talk({ ...flood, hasSink: false });
    const { lines, dropped, busySeconds } = await talk(flood);
    expect(lines).toBe(100_000);
    // What the sink adds to a call of the logger, whose own work is about 10 us; other processes may have the processor meanwhile.
    expect((1e6 * (busySeconds - plain.busySeconds)) / lines).toBeLessThan(50);
    const log = await archive.open(JOB);
    await eventually('the lines to be archived', async () => (await archive.caughtUp(1000)) && log.end >= lines - dropped);
    const found = await readForward(log, { filter: lineFilter({}), after: 0, limit: Number.POSITIVE_INFINITY });
    const texts = found.lines.map(({ text }) => JSON.parse(text) as { msg: string; step?: number; lines?: number });
    const steps = texts.filter(({ step }) => step !== undefined).map(({ step }) => step!);
    const missing = texts.filter(({ msg }) => msg.startsWith('log lines ')).reduce((sum, notice) => sum + notice.lines!, 0);
    expect(steps.length + missing).toBe(lines);
    expect(steps.every((step, i) => i === 0 || step > steps[i - 1]!)).toBe(true);
  } finally {
    await archive.close();
    await redis.close();
    await server.stop();
    await rm(dir, { recursive: true, force: true });
  }
}, 60_000);
