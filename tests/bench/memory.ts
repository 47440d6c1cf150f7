import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Cluster, startCluster } from '@maestro/cli';
import { connectJobClient } from '@maestro/client';
import { isTerminal } from '@maestro/protocol';
import { writeImages } from './images.ts';

interface MemoryCase {
  readonly title: string;
  readonly model: Readonly<Record<string, unknown>>;
  readonly microBatch: number;
  readonly steps: number;
}

const WORKERS = 2;
const IMAGES = 128;
const CASES: readonly MemoryCase[] = [
  { title: 'tiny, batch 64, 60 steps', model: { preset: 'mae_vit_tiny_patch4', channels: 3 }, microBatch: 64, steps: 60 },
  { title: 'tiny, batch 4, 1,000 steps', model: { preset: 'mae_vit_tiny_patch4', channels: 3 }, microBatch: 4, steps: 1000 },
  { title: 'ViT-B/16, batch 4, 6 steps', model: { preset: 'mae_vit_base_patch16' }, microBatch: 4, steps: 6 },
];

/**
 * Real jobs on two workers with one virtual rank each: resident memory of a worker after a tenth of the steps and at the end, its peak, and how
 * late the event loop of its main thread was. The figures are the worse worker's.
 */
export async function benchMemory(): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'maestro-memory-'));
  try {
    const images = join(dir, 'images');
    await writeImages(images, { count: IMAGES, size: 256 });
    for (const [index, each] of CASES.entries()) process.stdout.write(`memory ${await runCase(each, images, join(dir, String(index)))}\n`);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function runCase({ title, model, microBatch, steps }: MemoryCase, images: string, dataDir: string): Promise<string> {
  const cluster = await startCluster({ workers: WORKERS, dataDir });
  const client = connectJobClient(cluster.coordinator);
  try {
    const spec = {
      model,
      data: { format: 'image-folder', path: images },
      schedule: { steps, microBatch },
      resources: { virtualRanks: WORKERS, minWorkers: WORKERS },
      checkpoint: { everySteps: 1_000_000 },
    };
    const { id } = await client.submitJob({ spec });
    let early = 0;
    for await (const { state, message, progress } of client.watchJob(id)) {
      if (early === 0 && (progress?.step ?? 0) >= steps / 10) early = await resident(cluster);
      if (isTerminal(state) && state !== 'succeeded') throw new Error(`bench memory: ${title}: ${message}`);
    }
    const { rss, peak, p99 } = await finalFigures(dataDir);
    return `${title}: resident ${megabytes(early)} after a tenth, ${megabytes(rss)} at the end, peak ${megabytes(peak)}; event-loop delay p99 ${p99.toFixed(1)} ms`;
  } finally {
    client.close();
    await cluster.stop();
  }
}

/** The most memory that a worker holds now, in bytes. */
async function resident({ processes }: Cluster): Promise<number> {
  const workers = processes.filter(({ name }) => name.startsWith('worker'));
  const status = await Promise.all(workers.map(({ pid }) => readFile(`/proc/${pid}/status`, 'utf8')));
  return Math.max(...status.map((text) => 1024 * Number(/VmRSS:\s+(\d+)/.exec(text)?.[1])));
}

/** What the workers logged of themselves at the end of the job. */
async function finalFigures(dataDir: string): Promise<{ readonly rss: number; readonly peak: number; readonly p99: number }> {
  const names = ['worker-a', 'worker-b'];
  const logs = await Promise.all(names.map((name) => readFile(join(dataDir, 'logs', `${name}.log`), 'utf8')));
  const lines = logs.map((log) => JSON.parse(log.split('\n').find((line) => line.includes('view over'))!));
  return {
    rss: Math.max(...lines.map(({ rssBytes }) => rssBytes)),
    peak: Math.max(...lines.map(({ peakRssBytes }) => peakRssBytes)),
    p99: Math.max(...lines.map(({ eventLoopDelay }) => eventLoopDelay.p99Ms)),
  };
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(0)} MB`;
}
