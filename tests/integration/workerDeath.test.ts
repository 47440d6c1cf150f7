import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { verifyCheckpoint } from '@maestro/checkpoint';
import { startCluster } from '@maestro/cli';
import { connectJobClient } from '@maestro/client';
import { isTerminal, type Job } from '@maestro/protocol';
import { writeBlobs } from '../support/blobs.ts';
import { smallJob } from '../support/smallJob.ts';

const TIMEOUT_MS = 120_000;
/** What a person is promised. */
const FAILED_WITHIN_MS = 10_000;

let dir: string;
let path: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'maestro-death-'));
  path = await writeBlobs(join(dir, 'blobs'), { count: 300 });
});

afterAll(() => rm(dir, { recursive: true, force: true }));

/** Runs a job on two workers, does `harm` once it has taken steps, and gives the ended job and how long the end took. */
async function harmed(name: string, harm: (pidOf: (worker: string) => number) => void): Promise<{ job: Job; elapsedMs: number }> {
  const cluster = await startCluster({ workers: 2, dataDir: join(dir, name) });
  const client = connectJobClient(cluster.coordinator);
  try {
    const { id } = await client.submitJob({ spec: smallJob({ path, workers: 2, steps: 100_000, checkpoint: { everySteps: 1_000_000 } }) });
    let harmedAtMs = 0;
    for await (const job of client.watchJob(id)) {
      if (harmedAtMs === 0 && (job.progress?.step ?? 0) > 5) {
        harmedAtMs = Date.now();
        harm((wanted) => cluster.processes.find((process) => process.name === wanted)!.pid);
      }
      if (isTerminal(job.state)) return { job, elapsedMs: Date.now() - harmedAtMs };
    }
    throw new Error('the watch ended before the job');
  } finally {
    client.close();
    for (const { pid } of cluster.processes) resume(pid);
    await cluster.stop();
  }
}

/** A stopped process cannot be told to end; one that is gone needs not be. */
function resume(pid: number): void {
  try {
    process.kill(pid, 'SIGCONT');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

test.each([
  ['worker-a', 'SIGKILL'],
  ['worker-b', 'SIGKILL'],
  ['worker-b', 'SIGSTOP'],
  ['worker-b', 'SIGTERM'],
] as const)(
  '%s gets %s: the job fails within 10 s by its name, and leaves a checkpoint that verifies',
  async (name, signal) => {
    const { job, elapsedMs } = await harmed(`${name}-${signal}`, (pid) => process.kill(pid(name), signal));
    expect(job.state).toBe('failed');
    expect(job.message).toContain(name);
    expect(elapsedMs).toBeLessThan(FAILED_WITHIN_MS);
    const last = job.checkpoints.at(-1)!;
    expect(last.step).toBeGreaterThan(5);
    expect(await verifyCheckpoint(last.path)).toMatchObject({ valid: true, checkpointHash: last.hash });
  },
  TIMEOUT_MS,
);
