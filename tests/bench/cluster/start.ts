import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startCluster } from '@maestro/cli';
import { connectJobClient } from '@maestro/client';
import { writeImages } from '../data/images.ts';

const WORKERS = 2;
const JOBS = 3;

/**
 * Measures the time from the submit of a ViT-B job to its first step, with connected, free workers: when both begin to compute it, when it
 * is committed, and the processor time that coordinator and workers take until then.
 */
export async function benchStart(): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'maestro-start-'));
  const cluster = await startCluster({ workers: WORKERS, dataDir: join(dir, 'data') });
  const client = connectJobClient(cluster.coordinator);
  const processorSeconds = async (): Promise<readonly number[]> =>
    await Promise.all(
      cluster.processes.map(async ({ pid }) => {
        const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]!.split(' ');
        return (Number(fields[11]) + Number(fields[12])) / 100;
      }),
    );
  try {
    const path = join(dir, 'images');
    await writeImages(path, { count: 64, size: 256 });
    for (const precision of ['standard', 'float32']) {
      for (let i = 0; i < JOBS; i++) {
        const began = performance.now();
        const before = await processorSeconds();
        const { id } = await client.submitJob({
          spec: {
            model: { preset: 'mae_vit_base_patch16' },
            data: { format: 'image-folder', path },
            precision,
            schedule: { steps: 1, microBatch: 1 },
            resources: { virtualRanks: WORKERS, minWorkers: WORKERS },
            checkpoint: { everySteps: 1_000_000 },
          },
        });
        let started: number | undefined;
        let atStart: readonly number[] = [];
        let first: number | undefined;
        for await (const { progress } of client.watchJob(id)) {
          if (progress === null || first !== undefined) continue;
          const now = (performance.now() - began) / 1000;
          if (started === undefined) {
            started = now;
            atStart = await processorSeconds();
          }
          if (progress.step > 0) first = now;
        }
        const used = cluster.processes.map(({ name }, k) => `${name} ${((atStart[k] ?? 0) - before[k]!).toFixed(1)}`).join(', ');
        process.stdout.write(
          `${precision}: view after ${started?.toFixed(2)} s (processor: ${used}), first step committed ${first?.toFixed(2)} s\n`,
        );
      }
    }
  } finally {
    client.close();
    await cluster.stop();
    await rm(dir, { recursive: true, force: true, maxRetries: 5 });
  }
}
