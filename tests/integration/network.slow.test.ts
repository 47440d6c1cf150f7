import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Cluster, cutOff, networkLacks, recordJob, startCluster } from '@maestro/cli';
import { connectJobClient, type JobClient } from '@maestro/client';
import { errorMessage, type Job } from '@maestro/protocol';
import { writeBlobs } from '../support/cluster/blobs.ts';
import { smallJob } from '../support/cluster/smallJob.ts';

const TIMEOUT_MS = 400_000;
const PATIENCE_MS = 150_000;
/** Checkpoints by which runs are compared. No run ends by itself: how far one comes meanwhile is the machine's affair. */
const EVERY_STEPS = 20;
const ENDLESS = 100_000;

const lack = (await networkLacks()).namespaces;
const networkTest = (name: string, run: () => Promise<void> | void): void =>
  lack === undefined ? test(name, run, TIMEOUT_MS) : test.skip(`${name} (${lack})`, run);

let dir: string;
let cluster: Cluster;
let client: JobClient;
/** Which processes ended and were started again: for the message of a failure. */
const changes: string[] = [];
const namespacesNow = (): string => execFileSync('ip', ['netns', 'list'], { encoding: 'utf8' });
/** The process that made a network is gone. */
const stale = `maestro-${spawnSync('true').pid}-worker-a`;

beforeAll(async () => {
  if (lack !== undefined) return;
  execFileSync('ip', ['netns', 'add', stale]);
  dir = await mkdtemp(join(tmpdir(), 'maestro-network-'));
  cluster = await startCluster({
    workers: 3,
    dataDir: join(dir, 'data'),
    networkNamespaces: true,
    // As `maestro up` does it: what is cut off and ends is started again.
    supervise: true,
    onChange: (sentence) => changes.push(sentence),
    env: { MAESTRO_FAILURE_TIMEOUT_MS: '2000' },
  });
  client = connectJobClient(cluster.coordinator);
}, TIMEOUT_MS);

afterAll(async () => {
  client?.close();
  await cluster?.stop();
  if (dir !== undefined) await rm(dir, { recursive: true, force: true });
}, TIMEOUT_MS);

async function submit(maxWorkers: number) {
  const path = await writeBlobs(join(dir, 'blobs'), { count: 300 });
  const resources = { virtualRanks: 8, minWorkers: 1, maxWorkers };
  const checkpoint = { everySteps: EVERY_STEPS, keepLast: 10_000 };
  const { id } = await client.submitJob({ spec: smallJob({ path, workers: 3, steps: ENDLESS, checkpoint, resources }) });
  const record = recordJob(cluster.coordinator, id);
  const until = (condition: string, holds: (job: Job) => boolean): Promise<Job> =>
    record.until(condition, holds, { timeoutMs: PATIENCE_MS }).catch((error: unknown) => {
      throw new Error([errorMessage(error), ...changes, ...(record.job?.events.map(({ message }) => message) ?? [])].join('\n'));
    });
  const cancel = async (): Promise<void> => {
    await client.cancelJob(id);
    await until('its end', ({ state }) => state === 'cancelled');
    await record.close();
  };
  return { id, record, until, cancel };
}

/** The first checkpoint after `step` that every run writes: one at a multiple, not one of a member that leaves or of the end. */
const checkpointAfter = ({ checkpoints }: Job, step: number) =>
  checkpoints.find((each) => each.step > step && each.step % EVERY_STEPS === 0);

const stepOf = ({ progress }: Job): number => progress?.step ?? 0;
const has = ({ members }: Job, worker: string): boolean => members.some(({ name }) => name === worker);

networkTest('a network whose maker was killed is removed by the next one', () => {
  expect(namespacesNow()).not.toContain(stale);
  expect(cluster.coordinator).toMatch(/^10\.231\.\d+\.2:\d+$/);
});

/** A network of this process alone, with a packet filter of its own. */
const hasFilter = lack === undefined && spawnSync('unshare', ['-n', 'iptables', '-S']).status === 0;
(hasFilter ? test : test.skip)('hosts reach each other also on a machine that forbids forwarding, as one does where Docker runs', () => {
  const program = fileURLToPath(new URL('../support/network/reachAcross.js', import.meta.url));
  const script = 'ip link set lo up && iptables -P FORWARD DROP && exec "$@"';
  const { stdout, stderr } = spawnSync('unshare', ['-n', 'sh', '-c', script, 'sh', process.execPath, program], { encoding: 'utf8' });
  expect({ stdout, stderr }).toEqual({ stdout: 'reached\n', stderr: '' });
});

networkTest(
  'a job goes on while a worker is cut off from the others, from the coordinator, from Redis or from all, and stays exact',
  async () => {
    const { id, record, until, cancel } = await submit(3);
    let now = await until('three members', (job) => job.members.length === 3 && stepOf(job) > 10);
    for (const [worker, from] of [
      ['worker-b', 'all'],
      ['worker-c', 'coordinator'],
      ['worker-c', 'redis'],
      ['worker-b', 'peers'],
    ] as const) {
      const before = now.generation;
      const heal = await cutOff(cluster.network!, worker, from);
      // Nobody is without Redis before it needs the next window.
      const gone = await until(`a view without ${worker}, cut off from ${from}`, (job) => job.generation > before && !has(job, worker));
      await until('steps without it', (job) => stepOf(job) > stepOf(gone) + 5);
      await heal();
      // Whom its peers or Redis cannot reach is heard all the same, and is not taken back soon.
      const isLost = from === 'all' || from === 'coordinator';
      now = isLost ? await until(`${worker} is back`, (job) => has(job, worker) && job.state === 'running') : record.job!;
    }
    const healedAt = stepOf(now);
    const disturbed = checkpointAfter(
      await until('a checkpoint after all that', (job) => checkpointAfter(job, healedAt) !== undefined),
      healedAt,
    )!;
    await cancel();
    expect((await client.auditJob(id)).problems).toEqual([]);

    const alone = await submit(1);
    const isThere = ({ checkpoints }: Job) => checkpoints.find(({ step }) => step === disturbed.step);
    const undisturbed = isThere(await alone.until(`the checkpoint of step ${disturbed.step}`, (job) => isThere(job) !== undefined))!;
    await alone.cancel();
    expect(disturbed.hash).toBe(undisturbed.hash);
  },
);

networkTest('a cluster that ends takes its namespaces with it', async () => {
  expect(namespacesNow()).toContain(`maestro-${process.pid}-`);
  await cluster.stop();
  expect(namespacesNow()).not.toContain(`maestro-${process.pid}-`);
  expect(execFileSync('ip', ['-o', 'link'], { encoding: 'utf8' })).not.toContain(`mup-${process.pid.toString(36)}`);
});
