import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { mkdir, mkdtemp, open, readFile, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { startCluster } from '@maestro/cli';
import { connectJobClient } from '@maestro/client';
import { isTerminal, type Job } from '@maestro/protocol';
import { writeBlobs } from '../support/cluster/blobs.ts';
import { smallJob } from '../support/cluster/smallJob.ts';
import { hashOf } from '../support/cluster/testCluster.ts';
import { eventually } from '../support/eventually.ts';

const TIMEOUT_MS = 300_000;
const STEPS = 60;

const lack = (() => {
  const dir = mkdtempSync(join(tmpdir(), 'maestro-mount-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', dir], { stdio: 'pipe' });
    execFileSync('umount', [dir]);
    return undefined;
  } catch {
    return 'mounting a file system needs root on Linux';
  } finally {
    rmdirSync(dir);
  }
})();
/** Skips with the reason in the test's name. */
const testOnDisk = (name: string, run: () => Promise<void>) =>
  lack === undefined ? test(name, run, TIMEOUT_MS) : test.skip(`${name} (skipped: ${lack})`, run);

/** Takes the room that is left, to the last page. */
async function fill(disk: string): Promise<void> {
  const ballast = await open(join(disk, 'ballast'), 'a');
  const fits = (sizeBytes: number): Promise<boolean> =>
    ballast.write(Buffer.alloc(sizeBytes)).then(
      ({ bytesWritten }) => bytesWritten === sizeBytes,
      (error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOSPC') return false;
        throw error;
      },
    );
  for (const sizeBytes of [1024 * 1024, 4096]) {
    let isRoom = true;
    while (isRoom) isRoom = await fits(sizeBytes);
  }
  await ballast.close();
  expect((await statfs(disk)).bavail).toBe(0);
}

testOnDisk('with everything on one disk that is full, no process ends and training goes on; with room again all is written', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'maestro-full-'));
  const path = await writeBlobs(join(dir, 'blobs'), { count: 300 });
  const disk = join(dir, 'disk');
  await mkdir(disk);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'tmpfs', disk]);
  const changes: string[] = [];
  const cluster = await startCluster({
    workers: 2,
    dataDir: join(disk, 'data'),
    env: { MAESTRO_FAILURE_TIMEOUT_MS: '2000', MAESTRO_RECONSTRUCTION_SECONDS: '0' },
    onChange: (sentence) => changes.push(sentence),
  });
  const client = connectJobClient(cluster.coordinator);
  try {
    const submit = () => client.submitJob({ spec: smallJob({ path, workers: 2, steps: STEPS, checkpoint: { everySteps: 20 } }) });
    const get = (id: string): Promise<Job> => client.getJob(id);
    const first = await submit();
    const reference = await eventually('the first job ends', async () => {
      const job = await get(first.id);
      return isTerminal(job.state) && job;
    });

    const { id } = await submit();
    const atStep = (step: number) =>
      eventually(`step ${step}`, async () => ((await get(id)).progress?.step ?? 0) >= step, { timeoutMs: 120_000 });
    await atStep(10);
    const pids = cluster.processes.map(({ name, pid }) => `${name} ${pid}`);
    await fill(disk);
    await atStep(STEPS);
    // A checkpoint that is given up leaves room behind.
    await fill(disk);
    await eventually('the job says what its last checkpoint waits for', async () => {
      const { state, message } = await get(id);
      return state === 'running' && new RegExp(`^all ${STEPS} steps are done; worker-a writes .* it could not: .*free space`).test(message);
    });
    await rm(join(disk, 'ballast'));
    const ended = await eventually('the job ends', async () => {
      const job = await get(id);
      return isTerminal(job.state) && job;
    });
    expect(hashOf(ended, STEPS)).toBe(hashOf(reference, STEPS));
    expect(await client.auditJob(id)).toMatchObject({ isClean: true, step: STEPS, unknownSteps: 0 });
    expect(changes).toEqual([]);
    expect(cluster.processes.map(({ name, pid }) => `${name} ${pid}`)).toEqual(pids);
    const logOf = (name: string): Promise<string> => readFile(join(disk, 'data', 'logs', `${name}.log`), 'utf8');
    const [coordinatorLog, workerLog] = [await logOf('coordinator'), await logOf('worker-a')];
    expect(workerLog).toMatch(/"failures":\d+,"msg":"checkpoints work again"/);
    // Which of the logs met the end of its last page differs.
    expect(coordinatorLog + workerLog).toMatch(/"msg":"log lines are archived again"|"dropped":\d+,"msg":"the log is written again"/);
  } finally {
    client.close();
    await cluster.stop();
    execFileSync('umount', ['-l', disk]);
    await rm(dir, { recursive: true, force: true });
  }
});
