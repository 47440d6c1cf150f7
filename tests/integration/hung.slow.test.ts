import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { startCluster } from '@maestro/cli';
import { connectJobClient } from '@maestro/client';
import { isTerminal } from '@maestro/protocol';
import { writeBlobs } from '../support/cluster/blobs.ts';
import { smallJob } from '../support/cluster/smallJob.ts';

test('a worker whose computation hangs is evicted by name, and ends so that it can be started again', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'maestro-hung-'));
  const cluster = await startCluster({ workers: 1, dataDir: join(dir, 'data'), env: { MAESTRO_FAILURE_TIMEOUT_MS: '1000' } });
  const client = connectJobClient(cluster.coordinator);
  try {
    const path = await writeBlobs(join(dir, 'blobs'), { count: 300 });
    const hung = await cluster.addWorker({ env: { MAESTRO_FAULTS: '6/forward/hang' } });
    await cluster.connected(2);
    const { resources, ...spec } = smallJob({ path, workers: 2, steps: 30 });
    const { id } = await client.submitJob({ spec: { ...spec, resources: { ...(resources as object), minWorkers: 1 } } });
    const how = cluster.ended(hung);
    for await (const job of client.watchJob(id)) {
      if (!isTerminal(job.state)) continue;
      expect([job.state, job.message]).toEqual(['succeeded', 'finished after 30 steps']);
      expect(job.events.find(({ type }) => type === 'evicted')?.message).toMatch(
        new RegExp(`^${hung}: no step for .* at step 6, in compute for`),
      );
    }
    expect(await how).toBe('exit code 1');
  } finally {
    client.close();
    await cluster.stop();
    await rm(dir, { recursive: true, force: true });
  }
}, 120_000);
