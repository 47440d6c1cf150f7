import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Job } from '@maestro/protocol';
import { smallJob } from '../support/cluster/smallJob.ts';
import { hasDone, hashOf, messagesOf, openTestCluster, type TestCluster } from '../support/cluster/testCluster.ts';

const TIMEOUT_MS = 300_000;
/** Windows are epochs here, of four steps each. */
const WINDOW = 4;
const STEPS = 24;
/** Long enough for workers to come and go meanwhile. */
const LONG = 160;
/** No multiple of a window, so that a state is known by its step to be of one or the other. */
const EVERY = 10;
/** Large enough for each of four workers to own several blocks of the flat vector. */
const MODEL = { embedDim: 96, depth: 3, decoderEmbedDim: 64, decoderDepth: 2 };

let shared: TestCluster;
let reference: string;

beforeAll(async () => {
  shared = await openTestCluster({ name: 'sharding' });
  reference = hashOf(await shared.watch(await submit({ maxWorkers: 1 }, { state: 'replicated' })), STEPS);
}, TIMEOUT_MS);

afterAll(() => shared?.stop(), TIMEOUT_MS);

interface Wish {
  readonly state?: 'replicated' | 'sharded';
  readonly steps?: number;
  readonly everySteps?: number;
  readonly resumeFrom?: string;
}

function submit(resources: object, { state = 'sharded', steps = STEPS, everySteps = EVERY, resumeFrom }: Wish = {}): Promise<Job> {
  const { path, client } = shared;
  const checkpoint = { everySteps, ...(resumeFrom !== undefined && { resumeFrom }) };
  const spec = smallJob({ path, workers: 3, steps, checkpoint, schedule: { windowSteps: WINDOW }, model: MODEL });
  return client.submitJob({ spec: { ...spec, optimizer: { state }, resources: { virtualRanks: 8, minWorkers: 1, ...resources } } });
}

/** The job ends with the bits of a replicated one, and a clean ledger. */
const expectExact = (job: Job): Promise<Job> => shared.expectExact(job, { hash: reference, steps: STEPS });

/** Runs a job on three workers of which some die, or stop, at an exact place; they are there again when this returns. */
async function withFaults(faults: Readonly<Record<string, string>>): Promise<Job> {
  const { cluster } = shared;
  const all = Object.entries(faults);
  await Promise.all(all.map(([name, text]) => cluster.restart(name, { env: { MAESTRO_FAULTS: text } })));
  await cluster.connected(3);
  const ended = await expectExact(await submit({ minWorkers: 1, maxWorkers: 3 }));
  await Promise.all(all.map(([name]) => cluster.restart(name, { env: {} })));
  await cluster.connected(3);
  return ended;
}

test(
  'on one, two and three workers, each with the moments of its part alone, the weights are those of full replicas',
  async () => {
    const jobs = await Promise.all([1, 2, 3].map((count) => submit({ minWorkers: count, maxWorkers: count })));
    for (const job of jobs) {
      const ended = await expectExact(job);
      expect(ended.stepsRedone).toBe(0);
      expect(ended.checkpoints.map(({ step }) => step)).toEqual([10, 20, STEPS]);
    }
  },
  TIMEOUT_MS,
);

test.each([
  ['worker-a', '15/forward/kill'],
  ['worker-b', '15/all-gather/kill'],
] as const)(
  '%s is lost at %s: the job goes back to the end of the window, from copies at its peers',
  async (name, fault) => {
    const ended = await withFaults({ [name]: fault });
    expect(messagesOf(ended)).toMatch(new RegExp(`lost worker ${name} at step|lost ${name}`));
    expect(messagesOf(ended)).toMatch(/goes back to the end of window 0 of epoch 2, step 12, from copies at peers/);
    expect(messagesOf(ended)).not.toContain('restored from');
    // A window, and the step under way.
    expect(ended.stepsRedone).toBeLessThanOrEqual(WINDOW + 1);
  },
  TIMEOUT_MS,
);

test(
  'an owner and its neighbour die at once: the job goes back to its newest checkpoint',
  async () => {
    const ended = await withFaults({ 'worker-b': '15/forward/kill', 'worker-c': '15/forward/kill' });
    expect(messagesOf(ended)).toMatch(/a part of the state was lost with its owner: restored from .*step-00000010, step 10/);
  },
  TIMEOUT_MS,
);

test(
  'workers that join and leave hand over their parts: no step is computed twice',
  async () => {
    const { cluster, client, watch } = shared;
    const undisturbed = await watch(await submit({ maxWorkers: 1 }, { state: 'replicated', steps: LONG }));
    const job = await submit({ maxWorkers: 5 }, { steps: LONG, everySteps: 1000 });
    await watch(job, hasDone(8));
    const added = await cluster.addWorker();
    await watch(job, ({ members }) => members.some(({ name }) => name === added));
    await client.drainWorker('worker-a');
    const ended = await watch(job);
    expect(messagesOf(ended)).toContain(`${added} joins`);
    expect(messagesOf(ended)).toContain('worker-a leaves: it is drained on request');
    expect(messagesOf(ended)).not.toMatch(/restored from|goes back/);
    expect(ended.stepsRedone).toBe(0);
    await shared.expectExact(job, { hash: hashOf(undisturbed, LONG), steps: LONG });
    await cluster.restart('worker-a');
    await cluster.connected(4);
  },
  TIMEOUT_MS,
);

test(
  'all workers are killed: the job starts again from its newest valid checkpoint',
  async () => {
    const { cluster, watch, workers } = shared;
    const job = await submit({});
    await watch(job, hasDone(12));
    const names = workers();
    for (const name of names) cluster.kill(name);
    await Promise.all(names.map((name) => cluster.restart(name)));
    expect(messagesOf(await expectExact(job))).toContain('nobody held the state any more: restored from');
  },
  TIMEOUT_MS,
);

test(
  'a paused job writes down all parts of its state, frees its workers, and goes on where it was; so does a cancelled one, replicated',
  async () => {
    const { cluster, client, watch } = shared;
    await cluster.connected(3);
    const job = await submit({}, { everySteps: 1000 });
    await watch(job, hasDone(6));
    await client.pauseJob(job.id);
    const paused = await watch(job, ({ state }) => state === 'paused');
    expect(paused.checkpoints.at(-1)!.step).toBe(paused.progress!.step);
    await client.resumeJob(job.id);
    expect((await expectExact(job)).stepsRedone).toBe(0);

    const other = await submit({}, { everySteps: 1000 });
    await watch(other, hasDone(6));
    await client.cancelJob(other.id);
    const ended = await watch(other);
    expect(ended.state).toBe('cancelled');
    const last = ended.checkpoints.at(-1)!;
    expect(last.step).toBe(ended.progress!.step);
    await expectExact(await submit({ maxWorkers: 2 }, { state: 'replicated', resumeFrom: last.path }));
  },
  TIMEOUT_MS,
);

test(
  'the last workers leave together: what they had is in a checkpoint, and the next ones go on from it',
  async () => {
    const { cluster, watch, workers } = shared;
    const names = workers();
    const job = await submit({ minWorkers: 2 }, { everySteps: 1000 });
    await watch(job, hasDone(6));
    for (const name of names) cluster.kill(name, 'SIGTERM');
    await Promise.all(names.map((name) => cluster.ended(name)));
    await Promise.all(names.map((name) => cluster.restart(name)));
    const ended = await expectExact(job);
    expect([ended.stepsRedone, messagesOf(ended)]).toEqual([0, expect.stringContaining('restored from')]);
  },
  TIMEOUT_MS,
);
