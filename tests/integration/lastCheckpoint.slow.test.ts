import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { recordJob, startCluster } from '@maestro/cli';
import { connectJobClient } from '@maestro/client';
import { isTerminal } from '@maestro/protocol';
import { writeBlobs } from '../support/cluster/blobs.ts';
import { smallJob } from '../support/cluster/smallJob.ts';
import { hasDone } from '../support/cluster/testCluster.ts';

const PATIENCE_MS = 120_000;
/** Enough that the job is still at work when its first step is heard of. */
const STEPS = 100;

test('a job whose last checkpoint the disk refuses waits for it, says so, and ends well when there is room', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'maestro-last-checkpoint-'));
  const dataDir = join(dir, 'data');
  // A member that stood still for six seconds would be evicted.
  const cluster = await startCluster({ workers: 2, dataDir, env: { MAESTRO_FAILURE_TIMEOUT_MS: '1000' } });
  const client = connectJobClient(cluster.coordinator);
  try {
    const path = await writeBlobs(join(dir, 'blobs'), { count: 300 });
    const spec = smallJob({ path, workers: 2, steps: STEPS, checkpoint: { everySteps: 1000 } });
    const run = async (
      meanwhile: (id: string, when: { begun(): Promise<unknown>; refused(times: number): Promise<unknown> }) => Promise<void>,
    ) => {
      const { id } = await client.submitJob({ spec });
      const record = recordJob(cluster.coordinator, id);
      await meanwhile(id, {
        begun: () => record.until('its first steps', hasDone(1), { timeoutMs: PATIENCE_MS }),
        refused: (times) =>
          record.until(
            `${times} refusals`,
            ({ events }) => events.filter(({ message }) => /could not write/.test(message)).length >= times,
            {
              timeoutMs: PATIENCE_MS,
            },
          ),
      });
      const job = await record.until('its end', ({ state }) => isTerminal(state), { timeoutMs: PATIENCE_MS });
      await record.close();
      return job;
    };
    const undisturbed = await run(async () => undefined);
    const job = await run(async (id, { begun, refused }) => {
      // At its start a job looks for checkpoints of its own, and what is wrong there ends it.
      await begun();
      const inTheWay = join(dataDir, 'jobs', id, 'checkpoints');
      await mkdir(join(dataDir, 'jobs', id), { recursive: true });
      await writeFile(inTheWay, '');
      await refused(2);
      await rm(inTheWay);
    });
    expect([job.state, job.message]).toEqual(['succeeded', `finished after ${STEPS} steps`]);
    expect(job.checkpoints.at(-1)!.hash).toBe(undisturbed.checkpoints.at(-1)!.hash);
    // It was waited for, and nobody was taken for hung.
    expect([job.generation, job.events.filter(({ type }) => type === 'evicted')]).toEqual([1, []]);
  } finally {
    client.close();
    await cluster.stop();
    await rm(dir, { recursive: true, force: true });
  }
}, 300_000);
