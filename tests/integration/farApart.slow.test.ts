import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Cluster, cutOff, type Heal, networkLacks, recordJob, shapeLink, startCluster } from '@maestro/cli';
import { connectJobClient, type JobClient } from '@maestro/client';
import { isTerminal, type Job } from '@maestro/protocol';
import { writeBlobs } from '../support/cluster/blobs.ts';
import { smallJob } from '../support/cluster/smallJob.ts';

const TIMEOUT_MS = 200_000;
const PATIENCE_MS = 60_000;
const STEPS = 12;
/** Each way, and of each packet: two hosts are 100 ms apart. */
const LINK = { delayMs: 50, lossPercent: 1 };
const HOSTS = ['redis', 'coordinator', 'worker-a', 'worker-b', 'worker-c'];

const lacks = await networkLacks();
const lack = lacks.namespaces ?? lacks.delay;
const farTest = (name: string, run: () => Promise<void>): void =>
  lack === undefined ? test(name, run, TIMEOUT_MS) : test.skip(`${name} (${lack})`, run);

let dir: string;
let cluster: Cluster;
let client: JobClient;
let near: Cluster;
let nearClient: JobClient;
const heals: Heal[] = [];

beforeAll(async () => {
  if (lack !== undefined) return;
  dir = await mkdtemp(join(tmpdir(), 'maestro-far-'));
  await writeBlobs(join(dir, 'blobs'), { count: 300 });
  near = await startCluster({ workers: 1, dataDir: join(dir, 'near') });
  nearClient = connectJobClient(near.coordinator);
  cluster = await startCluster({
    workers: 3,
    dataDir: join(dir, 'far'),
    networkNamespaces: true,
    env: { MAESTRO_FAILURE_TIMEOUT_MS: '3000' },
  });
  client = connectJobClient(cluster.coordinator);
  for (const [seed, host] of HOSTS.entries()) heals.push(await shapeLink(cluster.network!, host, { ...LINK, seed }));
}, TIMEOUT_MS);

afterAll(async () => {
  nearClient?.close();
  await near?.stop();
  client?.close();
  for (const heal of heals) await heal();
  await cluster?.stop();
  if (dir !== undefined) await rm(dir, { recursive: true, force: true });
}, TIMEOUT_MS);

const jobOf = (sync: object) =>
  smallJob({
    path: join(dir, 'blobs'),
    workers: 3,
    steps: STEPS,
    checkpoint: { everySteps: 4 },
    resources: { virtualRanks: 8, minWorkers: 1, maxWorkers: 3 },
    sync,
  });

/** The same job on one worker, over loopback. */
async function hashOnLoopback(sync: object): Promise<string> {
  const { id } = await nearClient.submitJob({ spec: jobOf(sync) });
  let job: Job | undefined;
  for await (job of nearClient.watchJob(id)) if (isTerminal(job.state)) break;
  return job!.checkpoints.at(-1)!.hash;
}

const stepOf = ({ progress }: Job): number => progress?.step ?? 0;
const names = ({ members }: Job): string[] => members.map(({ name }) => name);

for (const [title, sync] of [
  ['gradients summed in each step', { mode: 'allReduce' }],
  ['replicas that train apart', { mode: 'diloco', replicas: 4, innerSteps: 4 }],
] as const) {
  farTest(
    `${title}: 50 ms and 1 % loss between hosts, and a worker cut off from all, leave the bits of one worker on loopback`,
    async () => {
      const hash = await hashOnLoopback(sync);
      const { id } = await client.submitJob({ spec: jobOf(sync) });
      const record = recordJob(cluster.coordinator, id);
      const until = (condition: string, holds: (job: Job) => boolean): Promise<Job> =>
        record.until(condition, holds, { timeoutMs: PATIENCE_MS });
      const { generation } = await until('three members at work', (job) => job.members.length === 3 && stepOf(job) > 1);
      const heal = await cutOff(cluster.network!, 'worker-b', 'all');
      await until('a view without worker-b', (job) => job.generation > generation && !names(job).includes('worker-b'));
      await heal();
      const ended = await until('its end', ({ state }) => isTerminal(state));
      expect(ended.message).toBe(`finished after ${STEPS} steps`);
      expect(ended.checkpoints.at(-1)!.hash).toBe(hash);
      expect((await client.auditJob(id)).problems).toEqual([]);
      await record.close();
    },
  );
}
