import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Cluster, startCluster } from '@maestro/cli';
import { connectJobClient } from '@maestro/client';
import { isTerminal } from '@maestro/protocol';
import { writeImages } from '../data/images.ts';
import { median } from '../median.ts';

const WORKERS = 2;
const STEPS = 31;
const WINDOW = 10;
/** Steps excluded at the start: a first step compiles and allocates memory once. */
const COLD = 2;

/**
 * Measures the cost of a snapshot of ViT-B for a job whose moments are sharded over two workers: how long it blocks steps, and the duration
 * of a step in parallel with its writing and copying, in a job that takes one every ten steps and in one that takes none. Real processes
 * and sockets.
 */
export async function benchSnapshot(): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'maestro-bench-snapshot-'));
  try {
    const images = join(dir, 'images');
    await writeImages(images, { count: STEPS * WORKERS * 2, size: 256 });
    // New processes for each case, since a process keeps the peak of all its jobs.
    for (const windowSteps of [STEPS, WINDOW]) {
      const dataDir = join(dir, String(windowSteps));
      const cluster = await startCluster({ workers: WORKERS, dataDir });
      try {
        process.stdout.write(`${await benchCase(cluster, { images, dataDir, windowSteps })}\n`);
      } finally {
        await cluster.stop();
      }
    }
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

interface Figures {
  readonly peakRssBytes: number;
  readonly eventLoopDelay: { readonly p99Ms: number };
  readonly snapshots: {
    readonly parts: number;
    readonly bytes: number;
    readonly ownSeconds: number;
    readonly copySeconds: number;
    readonly stalledSeconds: number;
  };
}

async function benchCase(
  cluster: Cluster,
  { images, dataDir, windowSteps }: { readonly images: string; readonly dataDir: string; readonly windowSteps: number },
): Promise<string> {
  const client = connectJobClient(cluster.coordinator);
  try {
    const { id } = await client.submitJob({
      spec: {
        model: { preset: 'mae_vit_base_patch16' },
        data: { format: 'image-folder', path: images },
        schedule: { steps: STEPS, microBatch: 2, windowSteps },
        optimizer: { state: 'sharded' },
        resources: { virtualRanks: WORKERS, minWorkers: WORKERS },
        checkpoint: { everySteps: 1_000_000 },
      },
    });
    /** By step: from the end of the previous step to its own. */
    const seconds = new Map<number, number>();
    let before = { step: 0, atMs: performance.now() };
    for await (const { state, message, progress } of client.watchJob(id)) {
      const step = progress?.step ?? 0;
      const atMs = performance.now();
      if (step > before.step) {
        seconds.set(step, (atMs - before.atMs) / 1000 / (step - before.step));
        before = { step, atMs };
      }
      if (isTerminal(state) && state !== 'succeeded') throw new Error(`bench snapshot: ${message}`);
    }
    const ofKind = (isBeside: boolean): number[] =>
      [...seconds].flatMap(([step, value]) => (step > COLD && step < STEPS && (step % WINDOW === 1) === isBeside ? [value] : []));
    const all = await Promise.all(['worker-a', 'worker-b'].map((name) => lastView(join(dataDir, 'logs', `${name}.log`))));
    const worst = (of: (figures: Figures) => number): number => Math.max(...all.map(of));
    const ms = (value: number): string => `${(1000 * value).toFixed(0)} ms`;
    const windows = Math.floor((STEPS - 1) / windowSteps);
    const steps = `step ${ms(median(ofKind(false)))}, those after a multiple of ${WINDOW} ${ms(median(ofKind(true)))}`;
    const memory =
      `peak ${(worst(({ peakRssBytes }) => peakRssBytes) / 1e6).toFixed(0)} MB; event-loop delay p99 ` +
      `${worst(({ eventLoopDelay }) => eventLoopDelay.p99Ms).toFixed(1)} ms`;
    const title = `snapshot ViT-B, ${WORKERS} workers, windows of ${windowSteps} steps`;
    if (windows === 0) return `${title}: ${steps}; ${memory}`;
    const each = (of: (figures: Figures['snapshots']) => number): number => worst(({ snapshots }) => of(snapshots)) / windows;
    const size = `${(worst(({ snapshots: { bytes, parts } }) => bytes / parts) / 1e6).toFixed(0)} MB a part`;
    const cost =
      `stalled ${ms(each(({ stalledSeconds }) => stalledSeconds))} a window, own part ` +
      `${ms(each(({ ownSeconds }) => ownSeconds))} beside the step, copy ${ms(each(({ copySeconds }) => copySeconds))}`;
    return `${title}: ${steps}; ${size}, ${cost}; ${memory}`;
  } finally {
    client.close();
  }
}

/** Returns what a worker logged about itself at the end of its last view. */
async function lastView(path: string): Promise<Figures> {
  const line = (await readFile(path, 'utf8')).split('\n').findLast((each) => each.includes('view over'))!;
  return JSON.parse(line) as Figures;
}
