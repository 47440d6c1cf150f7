import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { connectRedis, type RedisConnection, type RedisServer, startRedisServer } from '@maestro/data';
import { createLogger } from '@maestro/telemetry';
import fc from 'fast-check';
import { type LogArchive, openLogArchive } from '../logArchive.ts';
import { openLogSink } from '../logSink.ts';
import type { LogQuery, MetricQuery } from './ast.ts';
import { evaluateMetric, selectLines } from './evaluate.ts';
import { parseQuery } from './parseQuery.ts';

const START_MS = 1_700_000_000_000;
const LINES = 3000;
const JOBS = ['job-a', 'job-b', 'job-c'];

/** Lines of three jobs whose clocks are up to two seconds apart, so that their blocks overlap and none is sorted by time. */
const lines = Array.from({ length: LINES }, (_, n) => ({
  n,
  job: JOBS[n % 3]!,
  timeMs: START_MS + 10 * n + ((n * 7919) % 2000),
  level: n % 11 === 0 ? 'error' : 'info',
}));

let dir: string;
let server: RedisServer;
let redis: RedisConnection;
let archive: LogArchive;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'maestro-logql-'));
  server = await startRedisServer({ dir: join(dir, 'redis') });
  redis = await connectRedis(server.url, { timeoutMs: 5000 });
  archive = await openLogArchive({
    dataDir: join(dir, 'data'),
    redis,
    log: createLogger({ role: 'test', level: 'silent' }),
    segmentBytes: 100_000,
  });
  const sink = openLogSink({ redisUrl: server.url, name: 'w', batchCharacters: 20_000 });
  for (const { n, job, timeMs, level } of lines) {
    sink.push(
      `${JSON.stringify({ level, time: new Date(timeMs).toISOString(), role: 'worker', job, n, pad: 'x'.repeat(100), msg: 'line' })}\n`,
    );
  }
  await sink.flush(10_000);
  await archive.caughtUp(10_000);
  await sink.close();
});

afterAll(async () => {
  await archive.close();
  await redis.close();
  await server.stop();
  await rm(dir, { recursive: true });
});

const takes = (fromMs: number, toMs: number, isError: boolean, jobs: readonly string[]) =>
  lines.filter(({ timeMs, level, job }) => timeMs >= fromMs && timeMs < toMs && (!isError || level === 'error') && jobs.includes(job));

test('whatever the span, the limit and the direction, the lines are those of a look at all of them', async () => {
  const at = fc.integer({ min: START_MS - 1000, max: START_MS + 33_000 });
  await fc.assert(
    fc.asyncProperty(
      at,
      at,
      fc.integer({ min: 1, max: 500 }),
      fc.boolean(),
      fc.boolean(),
      fc.subarray(JOBS, { minLength: 1 }),
      async (a, b, limit, isBackward, isError, jobs) => {
        const [fromMs, toMs] = [Math.min(a, b), Math.max(a, b)];
        const query = parseQuery(`{job=~"${jobs.join('|')}"${isError ? ', level="error"' : ''}}`) as LogQuery;
        const found = await selectLines(archive, query, { fromMs, toMs, limit, isBackward });
        const all = takes(fromMs, toMs, isError, jobs)
          .map(({ timeMs }) => timeMs)
          .sort((x, y) => (isBackward ? y - x : x - y));
        expect(found.map(({ line }) => line.timeMs)).toEqual(all.slice(0, limit));
        expect(new Set(found.map(({ line }) => line.text)).size).toBe(found.length);
      },
    ),
    { numRuns: 60 },
  );
});

test('whatever the range and the step, counts are those of a look at all lines', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 5000 }),
      fc.integer({ min: 100, max: 5000 }),
      fc.integer({ min: 0, max: 3000 }),
      async (rangeMs, stepMs, offsetMs) => {
        const query = parseQuery(`sum by (job) (count_over_time({role="worker"}[${rangeMs}ms] offset ${offsetMs}ms))`) as MetricQuery;
        const startMs = START_MS + 500;
        const series = await evaluateMetric(archive, query, { startMs, endMs: startMs + 30_000, stepMs });
        for (const job of JOBS) {
          const counted = Array.from({ length: Math.floor(30_000 / stepMs) + 1 }, (_, i) => {
            const atMs = startMs + i * stepMs - offsetMs;
            const count = takes(atMs - rangeMs + 1, atMs + 1, false, [job]).length;
            return count === 0 ? undefined : count;
          });
          const found = series.find(({ labels }) => labels['job'] === job);
          expect(found?.points ?? counted.map(() => undefined)).toEqual(counted);
        }
      },
    ),
    { numRuns: 20 },
  );
});

test('behind json nearly each line is a stream of its own: too many are refused with what helps, sums over them are not', async () => {
  const steps = { startMs: START_MS, endMs: START_MS + 30_000, stepMs: 10_000 };
  const evaluate = (query: string) => evaluateMetric(archive, parseQuery(query) as MetricQuery, steps);
  await expect(evaluate('count_over_time({role="worker"} | json [40s])')).rejects.toThrow('group them with sum by');
  expect(await evaluate('sum(count_over_time({role="worker"} | json | n < 100 [40s])) * 2')).toMatchObject([
    { labels: {}, points: [expect.any(Number), 200, 200, 200] },
  ]);
});
