import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Cluster, startCluster } from '@maestro/cli';
import { connectJobClient } from '@maestro/client';
import { isTerminal } from '@maestro/protocol';
import { writeImages } from '../data/images.ts';

interface MemoryCase {
  readonly title: string;
  readonly model: Readonly<Record<string, unknown>>;
  readonly microBatch: number;
  readonly steps: number;
  readonly workers: number;
  /** Sharding of the moments. */
  readonly state: 'replicated' | 'sharded';
}

const IMAGES = 128;
const BASE = { model: { preset: 'mae_vit_base_patch16' }, microBatch: 2, steps: 8 };
const TINY = { model: { preset: 'mae_vit_tiny_patch4', channels: 3 }, workers: 2, state: 'replicated' } as const;
const CASES: readonly MemoryCase[] = [
  { title: 'tiny, batch 64, 60 steps', ...TINY, microBatch: 64, steps: 60 },
  { title: 'tiny, batch 4, 1,000 steps', ...TINY, microBatch: 4, steps: 1000 },
  ...[2, 3].flatMap((workers) =>
    (['replicated', 'sharded'] as const).map((state) => ({
      title: `ViT-B/16, batch 2, 8 steps, ${workers} workers, moments ${state}`,
      ...BASE,
      workers,
      state,
    })),
  ),
];

/**
 * Runs real jobs with one virtual rank per worker: resident memory of a worker after a tenth of the steps and at the end, its peak, the
 * delay of its main thread's event loop, and the bytes that a worker writes per step, which it sends. The first worker, which writes the
 * checkpoint, is reported separately from the worst of the others. `MAESTRO_BENCH_MEMORY` picks cases by a part of their title.
 */
export async function benchMemory(): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'maestro-memory-'));
  const pick = process.env['MAESTRO_BENCH_MEMORY'] ?? '';
  try {
    const images = join(dir, 'images');
    await writeImages(images, { count: IMAGES, size: 256 });
    for (const [index, each] of CASES.entries()) {
      if (each.title.includes(pick)) process.stdout.write(`memory ${await runCase(each, images, join(dir, String(index)))}\n`);
    }
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function runCase({ title, model, microBatch, steps, workers, state }: MemoryCase, images: string, dataDir: string): Promise<string> {
  const cluster = await startCluster({ workers, dataDir });
  const client = connectJobClient(cluster.coordinator);
  try {
    const spec = {
      model,
      data: { format: 'image-folder', path: images },
      schedule: { steps, microBatch },
      optimizer: { state },
      resources: { virtualRanks: workers, minWorkers: workers },
      checkpoint: { everySteps: 1_000_000 },
    };
    const { id } = await client.submitJob({ spec });
    let early = 0;
    let before: { readonly step: number; readonly bytes: number } | undefined;
    let bytesPerStep = 0;
    for await (const { state: now, message, progress } of client.watchJob(id)) {
      const step = progress?.step ?? 0;
      if (early === 0 && step >= steps / 10) early = await resident(cluster);
      // Excludes the last steps: what follows them, such as a checkpoint, may have begun when they are reported.
      if (step >= 2 && step <= steps - 2 && step !== before?.step) {
        const bytes = await written(cluster);
        before ??= { step, bytes };
        if (step > before.step) bytesPerStep = (bytes - before.bytes) / (step - before.step) / workers;
      }
      if (isTerminal(now) && now !== 'succeeded') throw new Error(`bench memory: ${title}: ${message}`);
    }
    const { rss, writerPeak, peak, p99 } = await finalFigures(cluster, dataDir);
    const peaks = `peak ${megabytes(writerPeak)} (writes the checkpoint), ${megabytes(peak)} (others)`;
    const sent = `${megabytes(bytesPerStep)} sent by a worker in a step`;
    return (
      `${title}: resident ${megabytes(early)} after a tenth, ${megabytes(rss)} at the end, ${peaks}; ${sent}; event-loop delay ` +
      `p99 ${p99.toFixed(1)} ms`
    );
  } finally {
    client.close();
    await cluster.stop();
  }
}

const workersOf = ({ processes }: Cluster) => processes.filter(({ name }) => name.startsWith('worker'));

/** Returns the bytes that all workers have written since they started, to sockets and files. */
async function written(cluster: Cluster): Promise<number> {
  const texts = await Promise.all(workersOf(cluster).map(({ pid }) => readFile(`/proc/${pid}/io`, 'utf8')));
  return texts.reduce((sum, text) => sum + Number(/wchar: (\d+)/.exec(text)?.[1]), 0);
}

/** Returns the largest current memory of a worker, in bytes. */
async function resident(cluster: Cluster): Promise<number> {
  const status = await Promise.all(workersOf(cluster).map(({ pid }) => readFile(`/proc/${pid}/status`, 'utf8')));
  return Math.max(...status.map((text) => 1024 * Number(/VmRSS:\s+(\d+)/.exec(text)?.[1])));
}

/** Returns what the workers logged about themselves at the end of the job. */
async function finalFigures(cluster: Cluster, dataDir: string) {
  const names = workersOf(cluster).map(({ name }) => name);
  const logs = await Promise.all(names.map((name) => readFile(join(dataDir, 'logs', `${name}.log`), 'utf8')));
  const lines = logs.map((log) => JSON.parse(log.split('\n').findLast((line) => line.includes('view over'))!));
  return {
    rss: Math.max(...lines.map(({ rssBytes }) => rssBytes)),
    writerPeak: Number(lines[0].peakRssBytes),
    peak: Math.max(...lines.slice(1).map(({ peakRssBytes }) => peakRssBytes)),
    p99: Math.max(...lines.map(({ eventLoopDelay }) => eventLoopDelay.p99Ms)),
  };
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(0)} MB`;
}
