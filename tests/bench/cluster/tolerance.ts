import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Cluster, startCluster } from '@maestro/cli';
import { connectJobClient } from '@maestro/client';
import { writeImages } from '../data/images.ts';
import { median } from '../median.ts';
import { tinyJob } from './tinyJob.ts';

const WORKERS = 2;
const ROUNDS = 7;
const WARM_STEPS = 10;
const STEPS = 60;

/**
 * Measures what surviving failures costs a step when nothing fails: the same job on two clusters in turn, one of which leases no data,
 * keeps no reports, writes no ledger and sends no checksums (`MAESTRO_FAULT_TOLERANCE=off`). Tiny preset, two workers.
 */
export async function benchTolerance(): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'maestro-tolerance-'));
  const path = join(dir, 'images');
  await writeImages(path, { count: 512, size: 32 });
  const clusters: Cluster[] = [];
  try {
    for (const tolerance of ['on', 'off']) {
      clusters.push(await startCluster({ workers: WORKERS, dataDir: join(dir, tolerance), env: { MAESTRO_FAULT_TOLERANCE: tolerance } }));
    }
    const [on, off] = clusters as [Cluster, Cluster];
    const rounds: { readonly on: number; readonly off: number }[] = [];
    for (let round = 0; round < ROUNDS; round++) rounds.push({ on: await stepMs(on, path), off: await stepMs(off, path) });
    const ms = (value: number): string => `${value.toFixed(1)} ms`;
    const ratio = median(rounds.map((each) => each.on / each.off));
    process.stdout.write(
      `tolerance tiny, ${WORKERS} workers: a step with it ${ms(median(rounds.map((each) => each.on)))}, without ` +
        `${ms(median(rounds.map((each) => each.off)))}, ` +
        `ratio in turn ${ratio.toFixed(3)} (${rounds.map((each) => (each.on / each.off).toFixed(3)).join(' ')})\n`,
    );
  } finally {
    for (const cluster of clusters) await cluster.stop();
    await rm(dir, { recursive: true, force: true });
  }
}

/** Measures the mean time of the steady steps of one job. */
async function stepMs(cluster: Cluster, path: string): Promise<number> {
  const client = connectJobClient(cluster.coordinator);
  try {
    const { id } = await client.submitJob({ spec: tinyJob({ path, steps: STEPS, maxWorkers: WORKERS }) });
    let first: { readonly step: number; readonly atMs: number } | undefined;
    let last = first;
    for await (const { progress, state, message } of client.watchJob(id)) {
      if (state === 'failed') throw new Error(`bench tolerance: ${message}`);
      const step = progress?.step ?? 0;
      if (step < WARM_STEPS || step === last?.step) continue;
      last = { step, atMs: performance.now() };
      first ??= last;
    }
    return (last!.atMs - first!.atMs) / (last!.step - first!.step);
  } finally {
    client.close();
  }
}
