import { mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { readCheckpoint } from '@maestro/checkpoint';
import type { Job } from '@maestro/protocol';
import { smallJob } from '../support/cluster/smallJob.ts';
import { hashOf, messagesOf, openTestCluster, type TestCluster } from '../support/cluster/testCluster.ts';
import { fileOf } from '../support/repository.ts';

const TIMEOUT_MS = 300_000;
const STEPS = 8;
const FROZEN = /^(cls_token|patch_embed|blocks\.0)/;

let dir: string;
let shared: TestCluster;

beforeAll(async () => {
  dir = await realpath(await mkdtemp(join(tmpdir(), 'maestro-optimizers-')));
  // The recipe of the guide, of which a part is frozen and the rest of the encoder learns at half the rate.
  const example = await readFile(fileOf('docs/examples/denoising-autoencoder.mjs'), 'utf8');
  const list = '...vit.parameters(config).filter(vit.isEncoderParameter)';
  expect(example).toContain(list);
  const groups = `.map((each) => ({ ...each, trainable: !${FROZEN}.test(each.name), lrScale: 0.5 }))`;
  const recipe = join(dir, 'frozen.mjs');
  await writeFile(recipe, example.replace(list, `${list}${groups}`));
  shared = await openTestCluster({ name: 'optimizers', workers: 3, env: { MAESTRO_RECIPES: recipe } });
}, TIMEOUT_MS);

afterAll(async () => {
  await shared?.stop();
  await rm(dir, { recursive: true, force: true });
}, TIMEOUT_MS);

function submit(workers: number, optimizer: object, others: object = {}): Promise<Job> {
  const spec = smallJob({ path: shared.path, workers, steps: STEPS, checkpoint: { everySteps: 4 }, schedule: { windowSteps: 2 } });
  return shared.client.submitJob({ spec: { ...spec, optimizer, ...others } });
}

/** The hash that one worker comes to. */
const alone = async (optimizer: object, others: object = {}): Promise<string> =>
  hashOf(await shared.watch(await submit(1, optimizer, others)), STEPS);

test.each([
  { name: 'sgd', nesterov: true, weightDecay: 0.01 },
  { name: 'lars', weightDecay: 0.01 },
])(
  '$name: the same bits on 1, 2 and 3 workers, replicated and sharded, with one moment for each parameter',
  async (optimizer) => {
    const hash = await alone(optimizer);
    expect(await alone({ name: 'adamw' })).not.toBe(hash);
    await shared.expectExact(await submit(2, optimizer), { hash, steps: STEPS });
    const ended = await shared.expectExact(await submit(3, { ...optimizer, state: 'sharded' }), { hash, steps: STEPS });
    const { parameters, firstMoments, secondMoments } = await readCheckpoint(ended.checkpoints.at(-1)!.path);
    expect(firstMoments.map(({ name }) => name)).toEqual(parameters.map(({ name }) => name));
    expect(secondMoments).toBeUndefined();
    // Another optimiser's checkpoint is not gone on from, unless the file says so.
    const resumeFrom = ended.checkpoints[0]!.path;
    await expect(submit(1, {}, { checkpoint: { resumeFrom } })).rejects.toThrow(`optimizer.name: "${optimizer.name}" there, "adamw" here`);
    const anew = await shared.watch(await submit(2, {}, { checkpoint: { resumeFrom, resumeAnyway: true } }));
    expect(hashOf(anew, STEPS)).not.toBe(hash);
    expect(messagesOf(anew)).toContain(`optimizer moments start at zero: ${optimizer.name} there, adamw here`);
  },
  TIMEOUT_MS,
);

test(
  'frozen parameters keep their bits and have no moments: on 1, 2 and 3 workers, replicated and sharded, and after a kill',
  async () => {
    const frozen = { recipe: 'denoise', denoise: { sigma: 0.4 } };
    const hash = await alone({}, frozen);
    await shared.expectExact(await submit(2, {}, frozen), { hash, steps: STEPS });
    const ended = await shared.expectExact(await submit(3, { state: 'sharded' }, frozen), { hash, steps: STEPS });
    const [early, late] = await Promise.all([ended.checkpoints[0]!, ended.checkpoints.at(-1)!].map(({ path }) => readCheckpoint(path)));
    const names = late!.parameters.map(({ name }) => name);
    const trained = names.filter((name) => !FROZEN.test(name));
    expect(trained.length).toBeLessThan(names.length);
    for (const moments of [late!.firstMoments, late!.secondMoments!]) expect(moments.map(({ name }) => name)).toEqual(trained);
    const changed = names.filter(
      (_, i) => !Buffer.from(early!.parameters[i]!.data.slice().buffer).equals(Buffer.from(late!.parameters[i]!.data.slice().buffer)),
    );
    expect(changed).toEqual(trained);

    for (const state of ['replicated', 'sharded']) {
      await shared.cluster.restart('worker-b', { env: { MAESTRO_FAULTS: '5/forward/kill' } });
      await shared.cluster.connected(3);
      await shared.expectExact(await submit(3, { state }, { ...frozen, resources: { virtualRanks: 8, minWorkers: 1, maxWorkers: 3 } }), {
        hash,
        steps: STEPS,
      });
      await shared.cluster.restart('worker-b', { env: {} });
      await shared.cluster.connected(3);
    }
  },
  TIMEOUT_MS,
);
