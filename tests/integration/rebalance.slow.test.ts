import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { recordJob, startCluster } from '@maestro/cli';
import { connectJobClient } from '@maestro/client';
import { isTerminal, type Job } from '@maestro/protocol';
import { writeBlobs } from '../support/cluster/blobs.ts';
import { slowDown } from '../support/cluster/slowDown.ts';
import { smallJob } from '../support/cluster/smallJob.ts';

const TIMEOUT_MS = 300_000;
const PATIENCE_MS = 90_000;
const WINDOW = 16;
const STEPS = 3 * WINDOW;
const RANKS = 8;
const MICRO_BATCH = 32;

test(
  'a worker that is slow for real gets fewer virtual ranks at the end of a window, and the bits are the same',
  async () => {
    const dir = await mkdtemp(join(tmpdir(), 'maestro-rebalance-'));
    const cluster = await startCluster({ workers: 2, dataDir: join(dir, 'data') });
    const client = connectJobClient(cluster.coordinator);
    try {
      // Two windows an epoch.
      const path = await writeBlobs(join(dir, 'blobs'), { count: 2 * WINDOW * RANKS * MICRO_BATCH });
      const run = async (
        workers: number,
        meanwhile: (until: (what: string, holds: (job: Job) => boolean) => Promise<Job>) => Promise<void>,
      ) => {
        const schedule = { windowSteps: WINDOW, microBatch: MICRO_BATCH };
        const small = smallJob({ path, workers, steps: STEPS, schedule, checkpoint: { everySteps: 1000 } });
        // Computing a virtual rank must be long beside the stops, or these would hit everything but that.
        const spec = { ...small, model: { ...(small['model'] as object), embedDim: 96, depth: 4 } };
        const { id } = await client.submitJob({ spec });
        const record = recordJob(cluster.coordinator, id);
        const until = (what: string, holds: (job: Job) => boolean) => record.until(what, holds, { timeoutMs: PATIENCE_MS });
        await meanwhile(until);
        const job = await until('its end', ({ state }) => isTerminal(state));
        await record.close();
        return job;
      };
      const undisturbed = await run(1, async () => undefined);

      const slow = 'worker-b';
      const { pid } = cluster.processes.find(({ name }) => name === slow)!;
      const slowed = slowDown(pid, { periodMs: 50, stoppedMs: 45 });
      let sharesBefore: number[] = [];
      let sharesAfter: number[] = [];
      const shares = ({ members }: Job): number[] => members.map(({ ranks }) => ranks);
      const job = await run(2, async (until) => {
        sharesBefore = shares(await until('the first view', ({ generation, state }) => generation === 1 && state === 'running'));
        sharesAfter = shares(await until('the second view', ({ generation }) => generation === 2));
        slowed.release();
      }).finally(() => slowed.release());

      const message = job.events.find(({ type }) => type === 'rebalance')?.message;
      expect(message).toMatch(new RegExp(`^${slow} is slow: computing \\d+ ms a step would become \\d+ ms with other shares$`));
      expect(sharesBefore).toEqual([RANKS / 2, RANKS / 2]);
      expect(sharesAfter[1]).toBeLessThan(RANKS / 2);
      const changed = job.events.find(({ type, generation }) => type === 'view' && generation === 2)!;
      expect(changed.step % WINDOW).toBe(0);
      expect(job.events.filter(({ type }) => type === 'lost' || type === 'evicted')).toEqual([]);
      expect(job).toMatchObject({ state: 'succeeded', stepsRedone: 0 });
      expect(job.checkpoints.at(-1)!.hash).toBe(undisturbed.checkpoints.at(-1)!.hash);
      expect(await client.auditJob(job.id)).toMatchObject({ isClean: true, problems: [] });
    } finally {
      client.close();
      await cluster.stop();
      await rm(dir, { recursive: true, force: true });
    }
  },
  TIMEOUT_MS,
);
