import { copyFile, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { runCli } from '../support/cluster/runCli.ts';
import { smallJob } from '../support/cluster/smallJob.ts';
import { hasDone, hashOf, messagesOf, openTestCluster, type TestCluster } from '../support/cluster/testCluster.ts';
import { fileOf } from '../support/repository.ts';

const TIMEOUT_MS = 300_000;
const STEPS = 8;
const LONG_STEPS = 40;
const EXAMPLE = 'docs/examples/denoising-autoencoder.mjs';

let dir: string;
let recipe: string;
/** Of the cluster: the recipe of the guide, and {@link FAULTY}. */
let modules: string;
let shared: TestCluster;

beforeAll(async () => {
  // Outside of the repository: nothing of maestro can be imported from there.
  dir = await realpath(await mkdtemp(join(tmpdir(), 'maestro-recipe-')));
  recipe = join(dir, 'denoise.mjs');
  await copyFile(fileOf(EXAMPLE), recipe);
  const faulty = join(dir, 'faulty.mjs');
  await writeFile(faulty, FAULTY);
  modules = `${recipe},${faulty}`;
  shared = await openTestCluster({ name: 'recipe', workers: 3, env: { MAESTRO_RECIPES: modules } });
}, TIMEOUT_MS);

afterAll(async () => {
  await shared?.stop();
  await rm(dir, { recursive: true, force: true });
}, TIMEOUT_MS);

/** The recipe of the guide with mistakes, one of which a job file chooses. */
const FAULTY = `
import denoise from './denoise.mjs';

const mistakes = {
  fillSample: { fillSample: (sample, out) => (sample.index === 17 ? sample.nothing.there : sample.readImage(out.images)) },
  loop: { fillSample: (sample, out) => { while (sample.index === 17); return sample.readImage(out.images); } },
  drawParameter: { drawParameter: () => { throw new RangeError('no values'); } },
  drawLoop: { drawParameter: () => { for (;;); } },
  lossScale: { lossScale: () => -1 },
  loss: { lossScale: () => 1e38 },
  dtype: { inputs: [{ name: 'images', dtype: 'float16', shape: [1] }] },
};

export default {
  ...denoise,
  id: 'faulty',
  section: { key: 'faulty', schema: ({ z }) => z.strictObject({ mistake: z.enum(Object.keys(mistakes)) }) },
  defaults: (file) => (file.seed === 13 ? file.faulty.nothing.there : file),
  issues: () => [],
  plan: (job, data, kit) => ({ ...denoise.plan({ ...job, denoise: { sigma: 0.5 } }, data, kit), ...mistakes[job.faulty.mistake] }),
};
`;

const denoise = (workers: number, others: object = {}) => ({
  ...smallJob({ path: shared.path, workers, steps: STEPS }),
  name: `denoise-${workers}`,
  recipe: 'denoise',
  denoise: { sigma: 0.4 },
  ...others,
});

test('the example has fewer than 150 lines and imports nothing', async () => {
  const text = await readFile(fileOf(EXAMPLE), 'utf8');
  expect(text.split('\n').length).toBeLessThan(150);
  expect(text).not.toMatch(/^\s*import\b/m);
});

test(
  'the recipe of the guide trains from a folder outside the repository: the same bits on 1 and 3 workers, each sample in one step',
  async () => {
    const one = await shared.watch(await shared.client.submitJob({ spec: denoise(1) }));
    const hash = hashOf(one, STEPS);
    const three = await shared.client.submitJob({ spec: denoise(3) });
    const ended = await shared.expectExact(three, { hash, steps: STEPS });
    // Its own number too does not depend on who computes.
    expect(ended.progress!.metrics).toEqual(one.progress!.metrics);
    expect(Object.keys(one.progress!.metrics)).toEqual(['loss', 'learningRate', 'gradNorm', 'psnr']);
    await expectTold(three.id, ended.progress!.metrics['psnr']!);
    // Prometheus is told of jobs that run.
    const { schedule } = denoise(3) as { readonly schedule?: object };
    const running = await shared.client.submitJob({ spec: denoise(3, { name: 'long', schedule: { ...schedule, steps: 2000 } }) });
    await shared.watch(running, hasDone(2));
    const page = await (await fetch(`http://${shared.cluster.http}/metrics`)).text();
    expect(page.split('\n').filter((line) => /^maestro_(psnr|loss)\b/.test(line))).toEqual([
      expect.stringMatching(/^maestro_loss\{job="long"\} [0-9.]+$/),
      expect.stringMatching(/^maestro_psnr\{job="long"\} -?[0-9.]+$/),
    ]);
    await shared.client.cancelJob(running.id);
    await shared.watch(running);
    const other = await shared.watch(await shared.client.submitJob({ spec: denoise(3, { denoise: { sigma: 0.8 } }) }));
    expect(hashOf(other, STEPS)).not.toBe(hash);
  },
  TIMEOUT_MS,
);

/** Its own number is shown wherever a loss is. */
async function expectTold(id: string, psnr: number): Promise<void> {
  const get = (path: string) => fetch(`http://${shared.cluster.http}${path}`);
  const described = await runCli(['--coordinator', shared.cluster.coordinator, 'describe', id], dir, { MAESTRO_RECIPES: recipe });
  expect(described).toMatchObject({ code: 0, stderr: '' });
  expect(described.stdout.toLowerCase()).toContain(`psnr ${psnr.toFixed(4)}`.slice(0, 8));
  const resource = (await (await get(`/api/v1/jobs/${id}`)).json()) as { readonly progress: { readonly metrics: object } };
  expect(resource).toMatchObject({ progress: { metrics: { psnr } }, recipe: { id: 'denoise' } });
  const curves = await (await get(`/api/v1/jobs/${id}/metrics?series=psnr`)).text();
  expect(curves).toContain('"psnr"');
  const events = Buffer.from(await (await get(`/api/v1/jobs/${id}/metrics/export?format=tensorboard`)).arrayBuffer());
  expect(events.includes('train/psnr')).toBe(true);
}

test(
  'a worker whose module is another one, or that has none, is not taken, and is told why',
  async () => {
    const changed = join(dir, 'changed.mjs');
    await writeFile(changed, (await readFile(recipe, 'utf8')).replace('sigma * stream.normal()', '2 * sigma * stream.normal()'));
    await shared.cluster.addWorker({ name: 'worker-changed', env: { MAESTRO_RECIPES: changed } });
    await shared.cluster.addWorker({ name: 'worker-bare', env: { MAESTRO_RECIPES: '' } });
    const job = await shared.client.submitJob({ spec: denoise(5) });
    const [others, missing] = ['worker-changed differs from the coordinator', 'found "denoise"; modules of other recipes are loaded by'];
    const refused = await shared.watch(job, (now) => [others, missing].every((text) => messagesOf(now).includes(text)));
    expect(messagesOf(refused)).toMatch(/worker-bare.*recipe: expected one of "mae-pretrain"\|"knn", found "denoise"/);
    expect(messagesOf(refused)).toMatch(
      /worker-changed differs from the coordinator, .*recipeModule [0-9a-f]{12}\.\.\. where the coordinator has .*give all workers the same recipe in MAESTRO_RECIPES/,
    );
    await shared.client.cancelJob(job.id);
    await shared.watch(job);
  },
  TIMEOUT_MS,
);

test(
  'a mistake in the code of a recipe fails the job with recipe, module, function and sample, costs no worker, and the next job runs',
  async () => {
    const pids = () => shared.cluster.processes.map(({ pid }) => pid);
    const before = pids();
    const faulty = (mistake: string) => ({ ...denoise(2), denoise: undefined, recipe: 'faulty', name: mistake, faulty: { mistake } });
    const failed = async (mistake: string): Promise<string> => {
      const ended = await shared.watch(await shared.client.submitJob({ spec: faulty(mistake) }));
      expect(ended.state).toBe('failed');
      return ended.message;
    };
    const said = (where: string, reason: string) =>
      new RegExp(`^worker-[a-z] failed at step \\d+: recipe faulty \\(\\S+/faulty\\.mjs\\): ${where}: ${reason}`);
    expect(await failed('fillSample')).toMatch(
      said(
        'fillSample of sample 17 \\(train#17\\)',
        `Cannot read properties of undefined \\(reading 'there'\\) \\(faulty\\.mjs:5:\\d+\\)$`,
      ),
    );
    // Pausing waits for the end of the step, and the step for the sample.
    const looping = await shared.client.submitJob({ spec: faulty('loop') });
    await shared.watch(looping, (now) => now.state === 'running');
    await shared.client.pauseJob(looping.id);
    const stuck = await shared.watch(looping, (now) => now.state === 'paused');
    expect([stuck.state, stuck.message]).toEqual([
      'failed',
      expect.stringMatching(said('fillSample of sample 17 \\(train#17\\)', 'it did not return within 6 s$')),
    ]);
    expect(await failed('drawParameter')).toMatch(said('drawParameter of cls_token', 'no values'));
    expect(await failed('lossScale')).toMatch(said('lossScale of 64 samples', 'expected a finite number of at least 0, found -1'));
    expect(await failed('loss')).toMatch(/step 0: loss .* are not finite; no learning rate has had an effect yet/);
    expect(await failed('dtype')).toMatch(
      said('plan', 'inputs.images.dtype: expected one of float32, int32, int64, uint8, found "float16"$'),
    );
    await expect(shared.client.submitJob({ spec: { ...faulty('loop'), seed: 13 } })).rejects.toThrow(
      /^recipe faulty \(\S+\): defaults: Cannot read properties of undefined/,
    );

    // One that does not return is no longer waited for when it is cancelled.
    const endless = await shared.client.submitJob({ spec: faulty('drawLoop') });
    await shared.watch(endless, (now) => now.members.length === 2);
    await shared.client.cancelJob(endless.id);
    expect((await shared.watch(endless)).state).toBe('cancelled');

    hashOf(await shared.watch(await shared.client.submitJob({ spec: denoise(3) })), STEPS);
    expect(pids()).toEqual(before);
  },
  TIMEOUT_MS,
);

test(
  'a coordinator without the module lists its jobs with the reason; one that runs waits, and goes on with the same bits once it is there',
  async () => {
    const { schedule } = denoise(3) as { readonly schedule?: object };
    const spec = denoise(3, { name: 'held', schedule: { ...schedule, steps: LONG_STEPS } });
    const ended = await shared.watch(await shared.client.submitJob({ spec }));
    const job = await shared.client.submitJob({ spec });
    await shared.watch(job, hasDone(5));
    await shared.cluster.restart('coordinator', { env: { MAESTRO_RECIPES: '' } });
    const reason = 'recipe "denoise" is not loaded here: set MAESTRO_RECIPES to its module, and start the coordinator again';
    expect(shared.cluster.notice).toBe(`1 unfinished job waits: ${reason}`);
    const held = await shared.watch(job, ({ state, message }) => state === 'queued' && message === reason);
    expect(held.progress!.step).toBeGreaterThanOrEqual(5);
    expect(held.progress!.step).toBeLessThan(LONG_STEPS);
    const cli = (...args: string[]) => runCli(['--coordinator', shared.cluster.coordinator, ...args], dir, { MAESTRO_RECIPES: '' });
    const { stdout: list } = await cli('jobs');
    const noteOf = (id: string) => list.split('\n').find((line) => line.startsWith(id));
    expect(noteOf(job.id)).toMatch(new RegExp(`held +queued .* ${reason}$`));
    expect(noteOf(ended.id)).toMatch(new RegExp(`held +succeeded .* ${reason}$`));
    expect((await cli('describe', ended.id)).stdout).toContain(`Recipe:     ${reason}\n`);
    expect((await cli('audit', ended.id)).code).toBe(0);
    const drawn = await cli('reconstruct', ended.checkpoints.at(-1)!.path);
    expect(drawn.code).toBe(2);
    expect(drawn.stderr).toMatch(/^maestro: reconstruct: \S+ is of recipe denoise, which has no pictures: .*masked autoencoders\n$/);
    const resource: unknown = await (await fetch(`http://${shared.cluster.http}/api/v1/jobs/${job.id}`)).json();
    expect(resource).toMatchObject({ state: 'queued', message: reason, spec: { denoise: { sigma: 0.4 } }, recipe: { id: 'denoise' } });
    await expect(shared.client.submitJob({ spec })).rejects.toThrow('found "denoise"');

    await shared.cluster.restart('coordinator', { env: { MAESTRO_RECIPES: modules } });
    expect(shared.cluster.notice).toBeUndefined();
    const again = await shared.expectExact(job, { hash: hashOf(ended, LONG_STEPS), steps: LONG_STEPS });
    expect(again.progress!.metrics).toEqual(ended.progress!.metrics);
    expect(again.conditions.filter(({ type }) => type === 'Loaded')).toEqual([]);
    expect(messagesOf(again)).toContain('pausing: held back for want of recipe denoise');
  },
  TIMEOUT_MS,
);

test('a recipe that is not loaded, and a module that cannot be, are each one clear line', async () => {
  const bad = join(dir, 'bad.mjs');
  await writeFile(bad, 'export default { id: "denoise" };');
  const start = await runCli(['jobs'], dir, { MAESTRO_RECIPES: bad });
  expect(start).toMatchObject({ code: 2, stdout: '' });
  expect(start.stderr).toMatch(
    /^maestro: MAESTRO_RECIPES: \S+bad\.mjs cannot be loaded: .*its default export is no recipe: version: .*\n$/,
  );

  const unknown = shared.client.submitJob({ spec: { ...denoise(1), recipe: 'contrast' } });
  await expect(unknown).rejects.toThrow(
    'recipe: expected one of "mae-pretrain"|"knn"|"denoise"|"faulty", found "contrast"; modules of other recipes are loaded by MAESTRO_RECIPES',
  );
  const clashing = await runCli(['jobs'], dir, { MAESTRO_RECIPES: `${recipe},${recipe}` });
  const twice = `maestro: MAESTRO_RECIPES: ${recipe} cannot be loaded: recipe denoise: the module is named twice; name it once\n`;
  expect([clashing.code, clashing.stderr]).toEqual([2, twice]);
});
