import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { connectRedis, type RedisConnection, type RedisServer, startRedisServer } from '@maestro/redis';
import { createLogger } from '@maestro/telemetry';
import { lineFilter } from '../stream/lineFilter.ts';
import { CLUSTER } from '../stream/logLine.ts';
import { type LogSink, openLogSink } from '../stream/logSink.ts';
import { appendBatch, STREAM_KEY } from '../stream/logStream.ts';
import { readAll } from '../testing/readAll.ts';
import { type LogArchive, openLogArchive } from './logArchive.ts';
import { histogramOf, readForward, readLast } from './scan.ts';

const JOB = 'job-01test';
let dir: string;
let server: RedisServer;
let open: { close(): Promise<void> }[];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'maestro-logs-'));
  server = await startRedisServer({ dir: join(dir, 'redis') });
  open = [];
});

afterEach(async () => {
  for (const each of open.reverse()) await each.close();
  await server.stop();
  await rm(dir, { recursive: true });
});

const keep = <Closable extends { close(): Promise<void> }>(value: Closable): Closable => {
  open.push(value);
  return value;
};
const connect = async (): Promise<RedisConnection> => keep(await connectRedis(server.url, { timeoutMs: 5000 }));
const silent = createLogger({ role: 'test', level: 'silent' });
const openArchive = async (bounds: { segmentBytes?: number; totalBytes?: number } = {}): Promise<LogArchive> =>
  openLogArchive({ dataDir: join(dir, 'data'), redis: await connect(), log: silent, ...bounds });
const openSink = (options: Partial<Parameters<typeof openLogSink>[0]> = {}): LogSink =>
  keep(openLogSink({ redisUrl: server.url, name: 'worker-a', ...options }));
const line = (step: number, fields: object = {}): string => {
  const time = new Date(1_700_000_000_000 + step).toISOString();
  return `${JSON.stringify({ level: 'info', time, role: 'worker', worker: 'worker-a', job: JOB, step, msg: 'step', ...fields })}\n`;
};
const steps = (lines: readonly { readonly text: string }[]): number[] => lines.map(({ text }) => JSON.parse(text).step);
const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

async function until(what: string, condition: () => Promise<boolean>, timeoutMs = 20_000): Promise<void> {
  const deadlineMs = Date.now() + timeoutMs;
  while (!(await condition())) {
    if (Date.now() > deadlineMs) throw new Error(`waited in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

test('lines go from a process to the files of their job, in order, and leave Redis', async () => {
  const archive = keep(await openArchive());
  const sink = openSink();
  for (const step of range(500)) sink.push(line(step));
  sink.push('{"level":"warn","role":"coordinator","job":"../../etc","msg":"an id that is none"}\n');
  sink.push('no JSON at all\n');
  await sink.flush();
  expect(await archive.caughtUp(5000)).toBe(true);
  const lines = await readAll(archive, JOB);
  expect(steps(lines)).toEqual(range(500));
  expect(lines[3]).toMatchObject({
    ordinal: 3,
    timeMs: 1_700_000_000_003,
    labels: { job: JOB, role: 'worker', worker: 'worker-a', level: 'info' },
  });
  expect((await readAll(archive, CLUSTER)).map(({ text }) => JSON.parse(text).msg)).toEqual(['an id that is none', 'no JSON at all']);
  const { client } = await connect();
  await until('Redis is empty', async () => (await client.xlen(STREAM_KEY)) === 0);
  expect(await client.get('maestro:logs:bytes')).toBe('0');
});

test('an archive that is opened again goes on where it was, even with lines half written and an index torn', async () => {
  const sink = openSink();
  let archive = await openArchive({ segmentBytes: 5000 });
  for (const part of range(10)) {
    for (const step of range(20)) sink.push(line(part * 20 + step));
    await sink.flush();
    await archive.caughtUp(5000);
  }
  await archive.close();
  const folder = join(dir, 'data', 'jobs', JOB, 'logs');
  const files = (await readdir(folder)).sort();
  expect(files.length).toBeGreaterThan(8);
  await appendFile(join(folder, files.filter((name) => name.endsWith('.ndjson')).at(-1)!), line(999) + line(1000).slice(0, 30));
  await writeFile(join(folder, files.find((name) => name.endsWith('.index.json'))!), '{"version":1,"li');
  archive = keep(await openArchive({ segmentBytes: 5000 }));
  sink.push(line(200));
  await sink.flush();
  await archive.caughtUp(5000);
  expect(steps(await readAll(archive, JOB))).toEqual(range(201));
});

test('batches that come twice, late or in parts are taken once, and numbers that are missing become a line that counts them', async () => {
  const { client } = await connect();
  const body = (from: number, to: number): string =>
    range(to - from)
      .map((i) => line(from + i).trimEnd())
      .join('\n');
  const send = (from: number, to: number) => appendBatch(client, { source: 'worker-a:1', sequence: from, body: body(from, to) });
  await send(0, 5);
  await send(0, 5);
  await send(3, 9);
  await send(2, 4);
  await send(20, 22);
  const archive = keep(await openArchive());
  await archive.caughtUp(5000);
  const lines = await readAll(archive, JOB);
  expect(steps(lines)).toEqual([...range(9), undefined, 20, 21]);
  expect(JSON.parse(lines[9]!.text)).toMatchObject({
    level: 'warn',
    worker: 'worker-a',
    lines: 11,
    msg: 'log lines lost: too many waited in Redis',
  });
});

test('a stream that nobody reads is bounded in bytes, and the loss is counted when somebody does', async () => {
  const { client } = await connect();
  for (const i of range(50)) {
    await appendBatch(client, { source: 'worker-a:1', sequence: i, body: line(i, { pad: 'x'.repeat(1000) }).trimEnd() }, 10_000);
  }
  const bytes = Number(await client.get('maestro:logs:bytes'));
  expect(bytes).toBeLessThanOrEqual(10_000);
  expect(bytes).toBeGreaterThan(8000);
  await appendBatch(client, { source: 'worker-a:1', sequence: 50, body: line(50).trimEnd() });
  const archive = keep(await openArchive());
  await archive.caughtUp(5000);
  expect(steps(await readAll(archive, JOB)).at(-1)).toBe(50);
});

test('an archiver that is killed again and again while lines come loses none and doubles none', async () => {
  const sinks = ['worker-a', 'worker-b'].map((name) => openSink({ name }));
  const program = fileURLToPath(new URL('../testing/archiverProcess.js', import.meta.url));
  const start = async (): Promise<ChildProcess> => {
    const child = fork(program, [server.url, join(dir, 'data')], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    await once(child, 'message');
    return child;
  };
  let step = 0;
  const talk = setInterval(() => {
    for (let i = 0; i < 50; i++, step++) {
      for (const [n, sink] of sinks.entries()) sink.push(line(step, { worker: `worker-${'ab'[n]}` }));
    }
  }, 5);
  try {
    for (let kill = 0; kill < 4; kill++) {
      const child = await start();
      const before = step;
      await until('some more lines are out', async () => step > before + 2000);
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
  } finally {
    clearInterval(talk);
  }
  await Promise.all(sinks.map((sink) => sink.flush(5000)));
  const archive = keep(await openArchive());
  expect(await archive.caughtUp(20_000)).toBe(true);
  const lines = await readAll(archive, JOB);
  for (const worker of ['worker-a', 'worker-b']) {
    expect(steps(lines.filter(({ labels }) => labels.worker === worker))).toEqual(range(step));
  }
  expect(lines.map(({ ordinal }) => ordinal)).toEqual(range(2 * step));
}, 60_000);

test('a Redis that is killed and has forgotten what it took is told again', async () => {
  const archive = keep(await openArchive());
  const sink = openSink();
  let step = 0;
  const talk = setInterval(() => {
    for (let i = 0; i < 20; i++) sink.push(line(step++));
  }, 2);
  try {
    for (let kill = 0; kill < 3; kill++) {
      const before = step;
      await until('some more lines are out', async () => step > before + 1000);
      process.kill(server.pid, 'SIGKILL');
      await server.exited;
      const port = Number(new URL(server.url).port);
      server = await startRedisServer({ dir: join(dir, 'redis'), port });
    }
  } finally {
    clearInterval(talk);
  }
  await until('all is archived', async () => {
    await sink.flush();
    return (await archive.open(JOB)).end >= step;
  });
  expect(steps(await readAll(archive, JOB))).toEqual(range(step));
}, 60_000);

test('a sink whose Redis is away drops beyond its bound, with one line that counts them, and never waits', async () => {
  const sink = openSink({ bufferCharacters: 100_000 });
  sink.push(line(0));
  await sink.flush();
  process.kill(server.pid, 'SIGKILL');
  await server.exited;
  // Nothing else runs between these: what had to wait for Redis would not return.
  for (let step = 1; step < 20_000; step++) expect(sink.push(line(step))).toBeUndefined();
  expect(sink.dropped).toBeGreaterThan(15_000);
  await sink.flush(); // returns, since nothing can be done
  server = await startRedisServer({ dir: join(dir, 'redis'), port: Number(new URL(server.url).port) });
  const archive = keep(await openArchive());
  await until(
    'the notice is archived',
    async () => (await archive.open(JOB)).end > 1 && (await readAll(archive, JOB)).some(({ text }) => text.includes('dropped')),
  );
  sink.push(line(20_000));
  await until('the last line is archived', async () => steps(await readAll(archive, JOB)).at(-1) === 20_000);
  const lines = await readAll(archive, JOB);
  const notices = lines.filter(({ text }) => JSON.parse(text).msg === 'log lines dropped');
  expect(notices).toHaveLength(1);
  expect(notices[0]!.labels).toEqual({ job: JOB, role: 'worker', worker: 'worker-a', level: 'warn' });
  expect(JSON.parse(notices[0]!.text).lines).toBe(sink.dropped);
  expect(lines.length - 1 + sink.dropped).toBe(20_001);
});

test('the lines of a job are bounded on disk, oldest first, and their places stay', async () => {
  const archive = keep(await openArchive({ segmentBytes: 10_000, totalBytes: 50_000 }));
  const sink = openSink();
  for (const step of range(1000)) {
    sink.push(line(step));
    if (step % 10 < 9) continue;
    // What is written at once is not divided, so the bound is exceeded by as much at most.
    await sink.flush();
    await archive.caughtUp(5000);
  }
  const log = await archive.open(JOB);
  expect(log.segments.reduce((sum, { bytes }) => sum + bytes, 0)).toBeLessThanOrEqual(50_000 + 2000);
  const lines = await readAll(archive, JOB);
  expect(log.first).toBeGreaterThan(0);
  expect(lines.map(({ ordinal }) => ordinal)).toEqual(range(1000).slice(log.first));
  expect(steps(lines)).toEqual(range(1000).slice(log.first));
});

test('lines are read forward from a place, or the last ones, filtered by worker, level, pattern and time; counted over time', async () => {
  const archive = keep(await openArchive());
  const sink = openSink();
  for (const step of range(1000)) {
    sink.push(line(step, { worker: `worker-${'ab'[step % 2]}`, level: step % 100 === 0 ? 'error' : step % 10 === 0 ? 'warn' : 'info' }));
  }
  await sink.flush();
  await archive.caughtUp(5000);
  const log = await archive.open(JOB);
  const read = async (criteria: Parameters<typeof lineFilter>[0], after = 0, limit = 5) =>
    steps((await readForward(log, { filter: lineFilter(criteria), after, limit })).lines);
  expect(await read({})).toEqual([0, 1, 2, 3, 4]);
  expect(await read({ worker: 'worker-b' }, 10)).toEqual([11, 13, 15, 17, 19]);
  expect(await read({ level: 'warn' }, 95)).toEqual([100, 110, 120, 130, 140]);
  expect(await read({ search: '"step":\\d*7,' })).toEqual([7, 17, 27, 37, 47]);
  expect(await read({ fromMs: 1_700_000_000_500, toMs: 1_700_000_000_503 })).toEqual([500, 501, 502]);
  const last = await readLast(log, { filter: lineFilter({ level: 'error' }), after: 0, limit: 3 });
  expect(steps(last.lines)).toEqual([700, 800, 900]);
  expect(last.next).toBe(1000);
  const page = await readForward(log, { filter: lineFilter({ level: 'error' }), after: 0, limit: 4 });
  expect(page.next).toBe(301);
  const counts = await histogramOf(log, { filter: lineFilter({}), buckets: 4 });
  expect(counts.map((bucket) => bucket.counts)).toEqual(Array(4).fill({ error: expect.any(Number), warn: expect.any(Number), info: 225 }));
  expect(counts[0]!.fromMs).toBe(1_700_000_000_000);
});
