import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { startCluster } from '@maestro/cli';

const WORKERS = 1000;
const PROCESSES = 4;
const MEASURE_MS = 30_000;

/** Measures what 1,000 idle connected workers cost one coordinator: processor time, memory, and the delay in handling their heartbeats. */
export async function benchIdle(): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'maestro-idle-'));
  const cluster = await startCluster({ workers: 0, dataDir: dir });
  const children: ChildProcess[] = [];
  try {
    const each = WORKERS / PROCESSES;
    const entry = fileURLToPath(new URL('./idleWorkers.js', import.meta.url));
    const startedMs = performance.now();
    for (let i = 0; i < PROCESSES; i++) children.push(fork(entry, [cluster.coordinator, String(i * each), String(each)]));
    await Promise.all(children.map((child) => Promise.race([once(child, 'message'), ended(child)])));
    const joinSeconds = (performance.now() - startedMs) / 1000;
    const read = async (): Promise<Page> => readPage(await (await fetch(`http://${cluster.http}/metrics`)).text());
    const [before, beforeMs] = [await read(), performance.now()];
    await Promise.race([delay(MEASURE_MS), ...children.map(ended)]);
    const scrapeMs = performance.now();
    const after = await read();
    const seconds = (scrapeMs - beforeMs) / 1000;
    const cpu = (value(after, 'process_cpu_seconds_total') - value(before, 'process_cpu_seconds_total')) / seconds;
    const gaps = gapsBetween(before, after);
    const told = [
      `idle ${WORKERS} workers in ${PROCESSES} processes, all welcome after ${joinSeconds.toFixed(1)} s`,
      `coordinator ${(100 * cpu).toFixed(1)} % of one core, ${(value(after, 'process_resident_memory_bytes') / 1e6).toFixed(0)} MB`,
      `heartbeats ${(gaps.count / seconds).toFixed(0)}/s, gap p50 ${gaps.quantile(0.5)} s, p99 ${gaps.quantile(0.99)} s`,
      `event-loop delay p99 ${(1000 * value(after, 'maestro_event_loop_delay_p99_seconds')).toFixed(1)} ms`,
      `scrape ${(performance.now() - scrapeMs).toFixed(0)} ms`,
    ];
    process.stdout.write(`${told.join('; ')}\n`);
  } finally {
    for (const child of children) child.kill();
    await cluster.stop();
    await rm(dir, { recursive: true, force: true });
  }
}

type Page = ReadonlyMap<string, number>;

/** Parses values by name and labels. */
function readPage(text: string): Page {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#') && !line.includes('worker='));
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]));
}

function value(page: Page, name: string): number {
  const found = page.get(name);
  if (found === undefined) throw new Error(`idle: the page lacks ${name}`);
  return found;
}

/** Returns the heartbeats between two pages; a quantile is the upper bound of its bucket. */
function gapsBetween(before: Page, after: Page): { readonly count: number; readonly quantile: (share: number) => string } {
  const name = 'maestro_heartbeat_gap_seconds';
  const count = value(after, `${name}_count`) - (before.get(`${name}_count`) ?? 0);
  const bounds = [...after.keys()].flatMap((key) => /^maestro_heartbeat_gap_seconds_bucket\{le="(.*)"\}$/.exec(key)?.[1] ?? []);
  const upTo = (bound: string): number => {
    const key = `${name}_bucket{le="${bound}"}`;
    return value(after, key) - (before.get(key) ?? 0);
  };
  return { count, quantile: (share) => bounds.find((bound) => upTo(bound) >= share * count) ?? 'unknown' };
}

async function ended(child: ChildProcess): Promise<never> {
  const [code] = await once(child, 'exit');
  throw new Error(`idle: the process of simulated workers ended with code ${code}`);
}
