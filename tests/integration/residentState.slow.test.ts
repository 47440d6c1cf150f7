import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Job } from '@maestro/protocol';
import { smallJob } from '../support/cluster/smallJob.ts';
import { hasDone, hashOf, messagesOf, openTestCluster, type TestCluster } from '../support/cluster/testCluster.ts';

const TIMEOUT_MS = 240_000;
const STEPS = 60;
/** Takes the path of a GPU on a CPU, whose bits must be those of the host's path. */
const RESIDENT = { MAESTRO_ENGINE: 'capi', MAESTRO_RESIDENT: 'on' };

let shared: TestCluster;

beforeAll(async () => {
  shared = await openTestCluster({ name: 'resident', workers: 1 });
}, TIMEOUT_MS);

afterAll(() => shared?.stop(), TIMEOUT_MS);

function submit(resources: object, more: object = {}): Promise<Job> {
  const spec = smallJob({ path: shared.path, workers: 1, steps: STEPS, checkpoint: { everySteps: 7 } });
  return shared.client.submitJob({ spec: { ...spec, ...more, resources: { virtualRanks: 6, minWorkers: 1, ...resources } } });
}

test(
  'a worker whose gradients stay where it computes leaves the bits of the host, alone, with a peer, and when it has lost one',
  async () => {
    const { cluster } = shared;
    const host = await shared.watch(await submit({ maxWorkers: 1 }));
    const hash = hashOf(host, STEPS);
    const rounded = hashOf(await shared.watch(await submit({ maxWorkers: 1 }, { sync: { allGather: 'bf16' } })), STEPS);
    expect(rounded).not.toBe(hash);

    const first = await cluster.addWorker({ env: RESIDENT });
    cluster.kill('worker-a', 'SIGSTOP');
    await cluster.connected(1);
    const alone = await shared.expectExact(await submit({}), { hash, steps: STEPS });
    // The norm is that of float32, which shows that the gradient was not on the host.
    expect(alone.progress!.metrics['gradNorm']!).not.toBe(host.progress!.metrics['gradNorm']!);
    expect(alone.progress!.metrics['gradNorm']! / host.progress!.metrics['gradNorm']!).toBeCloseTo(1, 5);
    expect(hashOf(await shared.watch(await submit({}, { sync: { allGather: 'bf16' } })), STEPS)).toBe(rounded);

    await cluster.addWorker({ env: RESIDENT });
    const both = await submit({ minWorkers: 1, maxWorkers: 2 });
    await shared.watch(both, hasDone(10));
    cluster.kill(first, 'SIGKILL');
    expect(messagesOf(await shared.expectExact(both, { hash, steps: STEPS }))).toContain(`lost worker ${first} at step`);
  },
  TIMEOUT_MS,
);
