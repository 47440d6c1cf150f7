import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startCluster } from '@maestro/cli';
import { connectJobClient } from '@maestro/client';
import { writeBlobs } from '../../support/cluster/blobs.ts';
import { smallJob } from '../../support/cluster/smallJob.ts';
import { median } from '../median.ts';

const JOBS = 9;

/** Measures the time from a submit to the first committed step, with connected, free workers. */
export async function benchSubmit(): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'maestro-submit-'));
  const cluster = await startCluster({ workers: 2, dataDir: join(dir, 'data') });
  const client = connectJobClient(cluster.coordinator);
  try {
    const path = await writeBlobs(join(dir, 'images'), { count: 256 });
    const seconds: number[] = [];
    for (let i = 0; i < JOBS; i++) {
      const began = performance.now();
      const { id } = await client.submitJob({ spec: smallJob({ path, workers: 2, steps: 3 }) });
      let first: number | undefined;
      for await (const { progress } of client.watchJob(id)) if ((progress?.step ?? 0) > 0) first ??= (performance.now() - began) / 1000;
      seconds.push(first!);
    }
    const list = seconds.map((each) => each.toFixed(2)).join(', ');
    process.stdout.write(`submit to first committed step, ${JOBS} jobs on 2 warm workers: p50 ${median(seconds).toFixed(2)} s (${list})\n`);
  } finally {
    client.close();
    await cluster.stop();
    await rm(dir, { recursive: true, force: true, maxRetries: 5 });
  }
}
