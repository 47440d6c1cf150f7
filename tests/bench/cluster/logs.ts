import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startCluster } from '@maestro/cli';
import { connectJobClient } from '@maestro/client';
import { openLogArchive, openLogSink } from '@maestro/logs';
import { connectRedis, startRedisServer } from '@maestro/redis';
import { createLogger } from '@maestro/telemetry';
import { eventually } from '../../support/eventually.ts';
import { talk } from '../../support/logs/talk.ts';
import { writeImages } from '../data/images.ts';
import { tinyJob } from './tinyJob.ts';

const RATES = [10_000, 50_000, 100_000];
const SECONDS = 5;
const TAIL_LINES = 1000;
const TAIL_EVERY_MS = 5;

/**
 * Measures ingestion: a process that logs at a rate, Redis and an archive on this machine; and tailing: from the logger to a client of
 * `TailLogs`, through a real coordinator.
 */
export async function benchLogs(): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'maestro-bench-logs-'));
  try {
    await ingest(dir);
    await tail(dir);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function ingest(dir: string): Promise<void> {
  const server = await startRedisServer({ dir: join(dir, 'redis') });
  const redis = await connectRedis(server.url, { timeoutMs: 10_000 });
  const archive = await openLogArchive({ dataDir: join(dir, 'archive'), redis, log: createLogger({ role: 'bench', level: 'silent' }) });
  try {
    for (const linesPerSecond of RATES) {
      const job = `job-bench-${linesPerSecond}`;
      const plain = await talk({ redisUrl: server.url, job, linesPerSecond, seconds: 2, hasSink: false });
      const startMs = performance.now();
      const { lines, dropped, seconds, busySeconds, delayP99Ms } = await talk({
        redisUrl: server.url,
        job,
        linesPerSecond,
        seconds: SECONDS,
      });
      const log = await archive.open(job);
      await eventually('all lines to be archived', async () => (await archive.caughtUp(1000)) && log.end >= lines - dropped);
      const elapsed = (performance.now() - startMs) / 1000;
      const call = (1e6 * busySeconds) / lines;
      process.stdout.write(
        `logs ingestion ${linesPerSecond} lines/s asked for ${SECONDS} s: ${(lines / seconds).toFixed(0)} lines/s written, ` +
          `${dropped} dropped, ` +
          `${((lines - dropped) / elapsed).toFixed(0)} lines/s archived (process start included); a call of the logger takes ` +
          `${call.toFixed(1)} us, ` +
          `${((1e6 * plain.busySeconds) / plain.lines).toFixed(1)} us without a sink; event-loop delay p99 ${delayP99Ms.toFixed(1)} ` +
          `ms, ${plain.delayP99Ms.toFixed(1)} ms without\n`,
      );
    }
  } finally {
    await archive.close();
    await redis.close();
    await server.stop();
  }
}

async function tail(dir: string): Promise<void> {
  const path = join(dir, 'images');
  await writeImages(path, { count: 8, size: 32 });
  const cluster = await startCluster({ workers: 0, dataDir: join(dir, 'data') });
  const client = connectJobClient(cluster.coordinator);
  const sink = openLogSink({ redisUrl: cluster.redisUrl, name: 'tailed' });
  const stop = new AbortController();
  try {
    const { id } = await client.submitJob({ spec: tinyJob({ path, steps: 10, maxWorkers: 1 }) });
    for (const loadPerSecond of [0, 10_000]) {
      const load =
        loadPerSecond === 0 ? undefined : talk({ redisUrl: cluster.redisUrl, job: 'job-other', linesPerSecond: loadPerSecond, seconds: 7 });
      const delays: number[] = [];
      const lines = client.tailLogs(id, { follow: true, worker: `tailed-${loadPerSecond}`, signal: stop.signal });
      let sent = 0;
      const timer = setInterval(() => {
        const time = new Date().toISOString();
        const worker = `tailed-${loadPerSecond}`;
        sink.push(
          `${JSON.stringify({ level: 'info', time, role: 'worker', worker, job: id, sentMs: performance.now(), msg: 'tailed' })}\n`,
        );
        if (++sent === TAIL_LINES) clearInterval(timer);
      }, TAIL_EVERY_MS);
      for await (const { json } of lines) {
        delays.push(performance.now() - (JSON.parse(json) as { sentMs: number }).sentMs);
        if (delays.length === TAIL_LINES) break;
      }
      await load;
      delays.sort((a, b) => a - b);
      const at = (share: number): string => `${delays[Math.floor(share * (delays.length - 1))]!.toFixed(1)} ms`;
      process.stdout.write(
        `logs tail latency, 200 lines/s of a job, ${loadPerSecond} lines/s of another beside it: p50 ${at(0.5)}, p99 ${at(0.99)}, ` +
          `max ${at(1)}\n`,
      );
    }
  } finally {
    stop.abort();
    await sink.close();
    client.close();
    await cluster.stop();
  }
}
