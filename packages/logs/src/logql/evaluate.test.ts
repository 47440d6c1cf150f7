import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { connectRedis, type RedisConnection, type RedisServer, startRedisServer } from '@maestro/redis';
import { createLogger } from '@maestro/telemetry';
import fc from 'fast-check';
import { type LogArchive, openLogArchive } from '../archive/logArchive.ts';
import { openLogSink } from '../stream/logSink.ts';
import type { LogQuery, MetricQuery } from './ast.ts';
import { evaluateMetric } from './evaluate.ts';
import { parseQuery } from './parseQuery.ts';
import { selectLines } from './selectLines.ts';
import type { Series } from './series.ts';

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
    const time = new Date(timeMs).toISOString();
    sink.push(`${JSON.stringify({ level, time, role: 'worker', job, n, took: `${n % 50}ms`, pad: 'x'.repeat(100), msg: 'line' })}\n`);
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
          const found = series.find(({ labels }) => labels.get('job') === job);
          expect(found === undefined ? counted.map(() => undefined) : pointsOf(found)).toEqual(counted);
        }
      },
    ),
    { numRuns: 20 },
  );
});

test('behind json nearly each line is a stream of its own: too many are refused with what helps, sums over them are not', async () => {
  const steps = { startMs: START_MS, endMs: START_MS + 30_000, stepMs: 10_000 };
  const evaluateAll = (query: string) => evaluateMetric(archive, parseQuery(query) as MetricQuery, steps);
  await expect(evaluateAll('count_over_time({role="worker"} | json [40s])')).rejects.toThrow('group them with sum by');
  const [sum, ...others] = await evaluateAll('sum(count_over_time({role="worker"} | json | n < 100 [40s])) * 2');
  expect([others, [...sum!.labels], pointsOf(sum!)]).toEqual([[], [], [expect.any(Number), 200, 200, 200]]);
});

/** The points of each series, by its labels as they are written in a query. */
async function evaluate(query: string, stepMs = 10_000, lengthMs = 20_000): Promise<Record<string, (number | undefined)[]>> {
  const startMs = START_MS + 10_000;
  const series = await evaluateMetric(archive, parseQuery(query) as MetricQuery, { startMs, endMs: startMs + lengthMs, stepMs });
  return Object.fromEntries(series.map((each) => [[...each.labels].map(([name, value]) => `${name}=${value}`).join(), pointsOf(each)]));
}

/** What a function makes of the numbers of the lines in each range, by a look at all lines. */
function looked(rangeMs: number, numbers: (n: number) => number, make: (values: number[]) => number): (number | undefined)[] {
  return [10_000, 20_000, 30_000].map((atMs) => {
    const found = takes(START_MS + atMs - rangeMs + 1, START_MS + atMs + 1, false, ['job-a']).sort((a, b) => a.timeMs - b.timeMs);
    return found.length === 0 ? undefined : make(found.map(({ n }) => numbers(n)));
  });
}

test('functions over the numbers that unwrap gives are those of a look at all lines', async () => {
  const mean = (values: number[]): number => values.reduce((a, b) => a + b) / values.length;
  const stdvar = (values: number[]): number => mean(values.map((value) => (value - mean(values)) ** 2));
  const quantile = (values: number[]): number => {
    const sorted = [...values].sort((a, b) => a - b);
    const rank = 0.9 * (sorted.length - 1);
    const low = Math.floor(rank);
    return sorted[low]! + (rank - low) * ((sorted[low + 1] ?? sorted[low]!) - sorted[low]!);
  };
  const functions: [string, (values: number[]) => number][] = [
    ['sum_over_time', (values) => mean(values) * values.length],
    ['avg_over_time', mean],
    ['min_over_time', (values) => Math.min(...values)],
    ['max_over_time', (values) => Math.max(...values)],
    ['first_over_time', (values) => values[0]!],
    ['last_over_time', (values) => values.at(-1)!],
    ['stdvar_over_time', stdvar],
    ['stddev_over_time', (values) => Math.sqrt(stdvar(values))],
    ['rate', (values) => (mean(values) * values.length) / 15],
  ];
  const close = (points: readonly (number | undefined)[]) =>
    points.map((value) => (value === undefined ? undefined : expect.closeTo(value, 6)));
  const close1 = (query: string, expected: readonly (number | undefined)[]) => [query, { 'job=job-a': close(expected) }];
  for (const [name, make] of functions) {
    const query = `sum by (job) (${name}({job="job-a"} | json | keep job, n | unwrap n [15s]))`;
    expect([query, await evaluate(query)]).toEqual(
      close1(
        query,
        looked(15_000, (n) => n, make),
      ),
    );
  }
  const took = 'quantile_over_time(0.9, {job="job-a"} | json | unwrap duration(took) [15s]) by (job)';
  expect([took, await evaluate(took)]).toEqual(
    close1(
      took,
      looked(15_000, (n) => (n % 50) / 1000, quantile),
    ),
  );
});

test('aggregations, operators and comparisons between series, step by step', async () => {
  const count = (job: string): (number | undefined)[] =>
    [10_000, 20_000, 30_000].map((atMs) => takes(START_MS + atMs - 4999, START_MS + atMs + 1, false, [job]).length);
  const [a, b, c] = JOBS.map(count) as [number[], number[], number[]];
  const counts = 'sum by (job) (count_over_time({role="worker"}[5s]))';
  const only = (index: number) => ({ [`job=${JOBS[index]}`]: expect.any(Array) });
  expect(await evaluate(counts)).toEqual({ 'job=job-a': a, 'job=job-b': b, 'job=job-c': c });
  for (const [name, make] of [
    ['avg', (values: number[]) => expect.closeTo((values[0]! + values[1]! + values[2]!) / 3, 9)],
    ['max', (values: number[]) => Math.max(...values)],
    ['min', (values: number[]) => Math.min(...values)],
    ['count', () => 3],
  ] as const) {
    expect([name, await evaluate(`${name}(${counts})`)]).toEqual([name, { '': [0, 1, 2].map((i) => make([a[i]!, b[i]!, c[i]!])) }]);
  }
  const tops = Object.values(await evaluate(`topk(2, ${counts})`)).flatMap((points) => points.filter((point) => point !== undefined));
  expect(tops).toHaveLength(6);
  expect(Math.min(...tops)).toBeGreaterThanOrEqual(Math.min(...a, ...b, ...c));
  expect(await evaluate(`${counts} > 1e9`)).toEqual({});
  expect(await evaluate(`${counts} > bool 1e9`)).toEqual({ 'job=job-a': [0, 0, 0], 'job=job-b': [0, 0, 0], 'job=job-c': [0, 0, 0] });
  expect(await evaluate(`100 - ${counts} / ${counts} * 100`)).toEqual({
    'job=job-a': [0, 0, 0],
    'job=job-b': [0, 0, 0],
    'job=job-c': [0, 0, 0],
  });
  expect(await evaluate(`${counts} and sum by (job) (count_over_time({job="job-b"}[5s]))`)).toEqual(only(1));
  expect(await evaluate(`${counts} unless sum by (job) (count_over_time({job=~"job-[bc]"}[5s]))`)).toEqual(only(0));
  expect(await evaluate('sum(count_over_time({job="none"}[5s])) or vector(0)')).toEqual({ '': [0, 0, 0] });
  expect(await evaluate('absent_over_time({job="none", role=~".+"}[5s])')).toEqual({ 'job=none': [1, 1, 1] });
  expect(await evaluate('absent_over_time({job="job-a"}[5s])')).toEqual({});
  expect(
    await evaluate(
      `label_replace(${counts}, "short", "$1", "job", "job-(.)") == on (short) label_replace(sum by (job) ` +
        '(count_over_time({job="job-b"}[5s])), "short", "b", "job", ".*")',
    ),
  ).toEqual({
    'short=b': b,
  });
  await expect(evaluate(`${counts} + on () ${counts}`)).rejects.toThrow('many-to-many matching not allowed');
  await expect(evaluate(`${counts} + on () sum(${counts})`)).rejects.toThrow('many-to-one matching must be explicit');
});

test('a line on which a stage failed is an error of the query, unless it is filtered; what a query may use is bounded', async () => {
  await expect(evaluate('sum(sum_over_time({job="job-a"} | json | unwrap took [5s]))')).rejects.toThrow(
    "pipeline error: 'SampleExtractionErr' for series: '{job=\"job-a\"",
  );
  expect(await evaluate('sum(sum_over_time({job="job-a"} | json | unwrap took | __error__="" [5s]))')).toEqual({});
  const wide = '{role="worker"} | json | unwrap n [9999d]';
  expect(Object.keys(await evaluate(`max(max_over_time(${wide}))`, 1000, 100_000))).toEqual(['']);
  await expect(evaluate(`max_over_time(${wide})`, 10, 100_000)).rejects.toThrow('more than 20000000 points');
  await expect(evaluate(`quantile_over_time(0.5, ${wide}) by (role)`, 1, 10_000)).rejects.toThrow(
    'the query reads more than 50000000 numbers',
  );
});

/** Returns the points as a list, with `undefined` for a missing one. */
function pointsOf({ values, isThere }: Series): (number | undefined)[] {
  return Array.from(values, (value, i) => (isThere[i] === 1 ? value : undefined));
}
