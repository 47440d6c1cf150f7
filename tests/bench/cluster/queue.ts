import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startCluster } from '@maestro/cli';
import { connectJobClient, type JobClient } from '@maestro/client';
import { isTerminal } from '@maestro/protocol';
import { connectRedis } from '@maestro/redis';
import { writeBlobs } from '../../support/cluster/blobs.ts';
import { smallJob } from '../../support/cluster/smallJob.ts';

/**
 * Numbers of waiting jobs, and of jobs run one after another; reduce them with `MAESTRO_BENCH_WAITING` and `MAESTRO_BENCH_SHORT` for a
 * quick look.
 */
const WAITING = Number(process.env['MAESTRO_BENCH_WAITING'] ?? 10_000);
const SHORT = Number(process.env['MAESTRO_BENCH_SHORT'] ?? 1000);
/** Number of timed submits: the last ones, at the full queue length. */
const TIMED = 500;
const AT_ONCE = 8;
/** Time after which no more short jobs are submitted; their number is reported. */
const SHORT_MS = 8 * 60_000;
const HEALTH_EVERY_MS = 20;
/** Number of ended jobs kept, for comparison. */
const KEPT = 10;

/**
 * Measures the cost of a long queue: times of submits, delay of the coordinator's event loop, processor and memory; and what short jobs
 * leave behind.
 */
export async function benchQueue(): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'maestro-queue-'));
  const dataDir = join(dir, 'data');
  const cluster = await startCluster({ workers: 1, dataDir });
  const client = connectJobClient(cluster.coordinator);
  const redis = await connectRedis(cluster.redisUrl, { timeoutMs: 10_000 });
  const say = (text: string): void => void process.stdout.write(`${text}\n`);
  const get = async (path: string): Promise<string> => await (await fetch(`http://${cluster.http}${path}`)).text();
  const metric = (page: string, name: string): number =>
    Number(new RegExp(`^${name}(?:\\{[^}]*role="coordinator"[^}]*\\}|) (\\S+)`, 'm').exec(page)?.[1]);
  const state = async (what: string): Promise<void> => {
    const [page, memory, keys] = await Promise.all([get('/metrics'), redis.client.info('memory'), redis.client.dbsize()]);
    const resident = metric(page, 'process_resident_memory_bytes') / 2 ** 20;
    const used = Number(/used_memory:(\d+)/.exec(memory)![1]) / 2 ** 20;
    const files = (await readdir(join(dataDir, 'records')).catch(() => [])).length;
    say(`${what}: coordinator ${resident.toFixed(0)} MiB, Redis ${keys} keys and ${used.toFixed(1)} MiB, ${files} files in records`);
  };
  try {
    const path = await writeBlobs(join(dir, 'images'), { count: 64 });
    await state('at the start');
    const began = performance.now();
    let done = 0;
    while (done < SHORT && performance.now() - began < SHORT_MS) {
      const count = Math.min(AT_ONCE, SHORT - done);
      const ids = await Promise.all(
        Array.from({ length: count }, async () => (await client.submitJob({ spec: smallJob({ path, workers: 1, steps: 1 }) })).id),
      );
      for (const id of ids) await ended(client, id);
      done += count;
    }
    say(`${done} jobs of one step took ${((performance.now() - began) / 1000).toFixed(0)} s`);
    await state(`after ${done} short jobs`);
    await cluster.restart('coordinator', { env: { MAESTRO_KEEP_JOBS: String(KEPT) } });
    await state(`of which ${KEPT} are kept`);

    // More workers than exist: the jobs wait.
    const spec = smallJob({ path, workers: 5 });
    const submit = async (): Promise<number> => await timed(() => client.submitJob({ spec }));
    let left = WAITING - TIMED;
    const fillBegan = performance.now();
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        while (left-- > 0) await submit();
      }),
    );
    say(`${WAITING - TIMED} jobs submitted, ${AT_ONCE} at once, in ${((performance.now() - fillBegan) / 1000).toFixed(1)} s`);
    const before = await get('/metrics'); // starts the next measurement of the delay
    const times: number[] = [];
    const health: number[] = [];
    let isOver = false;
    const asking = (async () => {
      while (!isOver) {
        health.push(await timed(() => get('/healthz')));
        await new Promise((resolve) => setTimeout(resolve, HEALTH_EVERY_MS));
      }
    })();
    const timedBegan = performance.now();
    for (let i = 0; i < TIMED; i++) times.push(await submit());
    const seconds = (performance.now() - timedBegan) / 1000;
    isOver = true;
    await asking;
    const page = await get('/metrics');
    const cpu = metric(page, 'process_cpu_seconds_total') - metric(before, 'process_cpu_seconds_total');
    say(`with ${WAITING} jobs that wait: submit ${describe(times)}; /healthz meanwhile ${describe(health)}`);
    say(`  processor ${cpu.toFixed(2)} s for ${TIMED} submits in ${seconds.toFixed(1)} s`);
    for (const line of page.split('\n').filter((each) => /event_?loop/i.test(each) && !each.startsWith('#') && !/worker="/.test(each)))
      say(`  ${line}`);
    const idle = metric(await get('/metrics'), 'process_cpu_seconds_total');
    await new Promise((resolve) => setTimeout(resolve, 10_000));
    const idlePage = await get('/metrics');
    say(`  idle: ${((metric(idlePage, 'process_cpu_seconds_total') - idle) * 10).toFixed(1)} % of a processor`);
    say(
      `  /metrics ${(idlePage.length / 1024).toFixed(0)} KiB in ${(await timed(() => get('/metrics'))).toFixed(0)} ms; a page of ` +
        `/api/v1/jobs in ${(await timed(() => get('/api/v1/jobs'))).toFixed(0)} ms; all jobs over gRPC in ` +
        `${(await timed(() => client.listJobs())).toFixed(0)} ms`,
    );
    await state(`with ${WAITING} jobs that wait`);
    say(`  the coordinator starts again in ${((await timed(() => cluster.restart('coordinator'))) / 1000).toFixed(1)} s`);
    say(`  all jobs over gRPC in ${(await timed(() => client.listJobs())).toFixed(0)} ms`);
  } finally {
    client.close();
    await redis.close();
    await cluster.stop();
    await rm(dir, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function ended(client: JobClient, id: string): Promise<void> {
  for await (const { state } of client.watchJob(id)) if (isTerminal(state)) return;
}

async function timed(act: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await act();
  return performance.now() - began;
}

function describe(times: readonly number[]): string {
  const sorted = [...times].sort((a, b) => a - b);
  const at = (share: number): string => `${sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!.toFixed(1)} ms`;
  return `p50 ${at(0.5)}, p99 ${at(0.99)}, most ${at(1)}`;
}
