import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startCluster } from '@maestro/cli';
import { connectJobClient } from '@maestro/client';
import { isTerminal } from '@maestro/protocol';
import { writeBlobs } from '../../support/cluster/blobs.ts';
import { smallJob } from '../../support/cluster/smallJob.ts';

const BROKEN = 12;
const STEPS = 2000;

/** Measures what a series of jobs that fail before their first step costs a running job: changes of its view. */
export async function benchFalseStarts(): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'maestro-false-'));
  const server = createServer((_request, response) => response.writeHead(404).end());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const cluster = await startCluster({ workers: 2, dataDir: join(dir, 'data') });
  const client = connectJobClient(cluster.coordinator);
  try {
    const path = await writeBlobs(join(dir, 'images'), { count: 256 });
    const resources = { minWorkers: 1, maxWorkers: 2 };
    const healthy = await client.submitJob({ spec: smallJob({ path, workers: 1, steps: STEPS, resources }) });
    for await (const { members, progress } of client.watchJob(healthy.id)) if (members.length === 2 && (progress?.step ?? 0) > 5) break;
    const before = await client.getJob(healthy.id);
    const broken = smallJob({ path: '', workers: 1, resources });
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/none`;
    for (let i = 0; i < BROKEN; i++) {
      const { id } = await client.submitJob({ spec: { ...broken, name: `broken-${i}`, data: { format: 'webdataset', path: url } } });
      const began = performance.now();
      for await (const job of client.watchJob(id)) {
        if (isTerminal(job.state)) process.stdout.write(`${id} ${job.state}\n`);
        if (isTerminal(job.state) || performance.now() - began > 3000) break;
      }
      const again = performance.now();
      for await (const { members } of client.watchJob(healthy.id)) {
        if (members.filter(({ status }) => status !== 'left').length === 2 || performance.now() - again > 5000) break;
      }
    }
    const job = await client.getJob(healthy.id);
    process.stdout.write(
      `${BROKEN} jobs that failed before their first step: ${job.generation - before.generation} changes of view in ` +
        `${job.progress!.step - before.progress!.step} steps of the job that ran (${job.state})\n`,
    );
    await client.cancelJob(healthy.id);
  } finally {
    client.close();
    await cluster.stop();
    server.close();
    await rm(dir, { recursive: true, force: true, maxRetries: 5 });
  }
}
