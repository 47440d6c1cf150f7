import { readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { describeNative, OPERATORS_VERSION, openNative, PRECISIONS } from '@maestro/native';
import type { Job } from '@maestro/protocol';
import { smallJob } from '../support/cluster/smallJob.ts';
import { hasDone, hashOf, openTestCluster, type TestCluster } from '../support/cluster/testCluster.ts';

const TIMEOUT_MS = 300_000;
const STEPS = 12;
/** Large enough for a gradient that is sent in two stages. */
const MODEL = { embedDim: 120, depth: 3, decoderEmbedDim: 64, decoderDepth: 2 };
/** Has no native operators: no machine has this instruction set. */
const WITHOUT = { MAESTRO_NATIVE_ISA: 'none' };

let shared: TestCluster;

/** Three workers that would not agree on a standard job: other threads, and another instruction set where the machine has several. */
beforeAll(async () => {
  shared = await openTestCluster({ name: 'native', workers: 1 });
  await shared.cluster.addWorker({ env: { MAESTRO_THREADS: '2', MAESTRO_NATIVE_ISA: openNative()?.isas[0] ?? '' } });
  await shared.cluster.addWorker({ env: { MAESTRO_THREADS: '4' } });
  await shared.cluster.connected(3);
}, TIMEOUT_MS);

afterAll(async () => {
  await shared?.stop();
}, TIMEOUT_MS);

function submit(precision: string, workers: number, others: object = {}): Promise<Job> {
  const spec = smallJob({ path: shared.path, workers, steps: STEPS, model: MODEL });
  return shared.client.submitJob({ spec: { ...spec, precision, ...others } });
}

const onLibrary = openNative() === undefined ? describe.skip : describe;

onLibrary(`native operators of ${describeNative().isa ?? describeNative().reason}`, () => {
  test.each(PRECISIONS)(
    '%s: the same bits on 1, 2 and 3 workers with 1, 2 and 4 threads, sharded, and after a kill',
    async (precision) => {
      const alone = await shared.watch(await submit(precision, 1));
      const hash = hashOf(alone, STEPS);
      await shared.expectExact(await submit(precision, 2), { hash, steps: STEPS });
      await shared.expectExact(await submit(precision, 3), { hash, steps: STEPS });
      await shared.expectExact(await submit(precision, 3, { optimizer: { state: 'sharded' } }), { hash, steps: STEPS });
      const job = await submit(precision, 3, { resources: { virtualRanks: 8, minWorkers: 1, maxWorkers: 3 } });
      await shared.watch(job, hasDone(4));
      shared.cluster.kill('worker-c');
      await shared.cluster.restart('worker-c');
      await shared.expectExact(job, { hash, steps: STEPS });
      await shared.cluster.connected(3);

      // What decided the bits, and both graphs, are written down.
      const state = JSON.parse(await readFile(join(alone.checkpoints.at(-1)!.path, 'state.json'), 'utf8'));
      expect(state.identity).toMatchObject({ operators: OPERATORS_VERSION });
      expect(Object.keys(state.identity)).not.toEqual(expect.arrayContaining(['threads', 'instructions']));
      const artifacts = join(dirname(dirname(alone.checkpoints.at(-1)!.path)), 'artifacts');
      for (const file of ['training_model.onnx', 'training_model.native.onnx'])
        expect((await stat(join(artifacts, file))).size).toBeGreaterThan(0);
    },
    TIMEOUT_MS,
  );

  test(
    'auto is float32 on a cluster whose workers all have the operators, and stays that after a kill of the coordinator',
    async () => {
      const hash = hashOf(await shared.watch(await submit('float32', 2)), STEPS);
      const job = await submit('auto', 2);
      await shared.watch(job, hasDone(3));
      shared.cluster.kill('coordinator');
      await shared.cluster.restart('coordinator');
      await shared.expectExact(job, { hash, steps: STEPS });
      const ended = await shared.client.getJob(job.id);
      expect(JSON.parse(ended.specJson).precision).toBe('float32');
      const why = `precision auto: float32, since all 3 workers have native operators ${OPERATORS_VERSION} (`;
      for (const told of [ended.conditions, ended.events]) expect(told.filter(({ message }) => message.startsWith(why))).toHaveLength(1);
      await shared.cluster.connected(3);
    },
    TIMEOUT_MS,
  );

  test(
    'a worker without the operators takes no part in such a job, says so, and works for a standard one',
    async () => {
      for (const name of ['worker-a', 'worker-b', 'worker-c']) await shared.cluster.restart(name, { env: WITHOUT });
      await shared.cluster.connected(3);
      const workers = await shared.client.listWorkers();
      expect(workers.map(({ operators, kernels }) => [operators, kernels])).toEqual(
        workers.map(() => [0, `MAESTRO_NATIVE_ISA=none: this machine has ${openNative()!.isas.join(', ')}`]),
      );
      const job = await submit('bfloat16', 2);
      await shared.watch(job, ({ message }) => message.startsWith('waiting: needs 2 cpu workers with native operators, 0 free'));
      hashOf(await shared.watch(await submit('standard', 2)), STEPS);
      for (const name of ['worker-a', 'worker-b']) await shared.cluster.restart(name, { env: {} });
      hashOf(await shared.watch(job), STEPS);

      // The third is still without: auto shuts nobody out.
      await shared.cluster.connected(3);
      const auto = await shared.watch(await submit('auto', 3));
      hashOf(auto, STEPS);
      expect([JSON.parse(auto.specJson).precision, auto.members.length]).toEqual(['standard', 3]);
      expect(auto.events[0]!.message).toMatch(/^precision auto: standard, since 1 of 3 workers lacks native operators/);
    },
    TIMEOUT_MS,
  );
});
