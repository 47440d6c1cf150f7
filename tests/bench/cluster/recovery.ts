import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startCluster } from '@maestro/cli';
import { connectJobClient } from '@maestro/client';
import type { Job } from '@maestro/protocol';
import { writeImages } from '../data/images.ts';
import { median } from '../median.ts';
import { tinyJob } from './tinyJob.ts';

const WORKERS = 3;
const KILLS = 20;
/** Steps that all three do together between two kills. */
const CALM_STEPS = 4;

/**
 * Kills one of three workers with kill -9, twenty times, with the tiny preset and default settings, and measures the time to the next
 * committed step. The step itself, which must be computed in any case, is reported next to it: by two workers, like the next one.
 */
export async function benchRecovery(): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'maestro-recovery-'));
  const path = join(dir, 'images');
  await writeImages(path, { count: 512, size: 32 });
  const cluster = await startCluster({ workers: WORKERS, dataDir: join(dir, 'data'), supervise: true });
  const client = connectJobClient(cluster.coordinator);
  const recovered: number[] = [];
  const steps: number[] = [];
  try {
    const { id } = await client.submitJob({ spec: tinyJob({ path, steps: 1_000_000, maxWorkers: WORKERS }) });
    let calmSince: number | undefined;
    let killed: { readonly atMs: number; readonly generation: number; readonly name: string } | undefined;
    let committed: { readonly step: number; readonly atMs: number } | undefined;
    for await (const job of client.watchJob(id)) {
      const now = performance.now();
      const step = job.progress?.step ?? 0;
      if (step === committed?.step) continue;
      if (killed !== undefined && worksWithout(job, killed)) {
        recovered.push(now - killed.atMs);
        killed = undefined;
        calmSince = undefined;
      } else if (killed === undefined && committed !== undefined && job.members.length === WORKERS - 1) {
        steps.push((now - committed.atMs) / (step - committed.step));
      }
      committed = { step, atMs: now };
      const isWhole = killed === undefined && job.members.filter(({ status }) => status === 'working').length === WORKERS;
      if (!isWhole) calmSince = undefined;
      else if (calmSince === undefined) calmSince = step;
      else if (step - calmSince >= CALM_STEPS) {
        if (recovered.length === KILLS) break;
        const name = `worker-${'abc'[recovered.length % WORKERS]}`;
        killed = { atMs: now, generation: job.generation, name };
        cluster.kill(name);
      }
    }
  } finally {
    client.close();
    await cluster.stop();
    await rm(dir, { recursive: true, force: true });
  }
  const step = median(steps);
  const ms = (value: number): string => `${value.toFixed(0)} ms`;
  const beyond = recovered.map((each) => each - step);
  process.stdout.write(
    `recovery ${KILLS} kills of one of ${WORKERS} workers: to the next committed step p50 ${ms(median(recovered))}, max ` +
      `${ms(Math.max(...recovered))}; ` +
      `a step of two takes ${ms(step)}; beyond it p50 ${ms(median(beyond))}, max ${ms(Math.max(...beyond))}\n`,
  );
}

/** Returns true when the job has committed a step in a view without the killed worker. */
function worksWithout(job: Job, { generation, name }: { readonly generation: number; readonly name: string }): boolean {
  return job.generation > generation && !job.members.some((member) => member.name === name && member.status === 'working');
}
