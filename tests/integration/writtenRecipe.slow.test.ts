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
let shared: TestCluster;

beforeAll(async () => {
  // Outside of the repository: nothing of maestro can be imported from there.
  dir = await realpath(await mkdtemp(join(tmpdir(), 'maestro-recipe-')));
  recipe = join(dir, 'denoise.mjs');
  await copyFile(fileOf(EXAMPLE), recipe);
  shared = await openTestCluster({ name: 'recipe', workers: 3, env: { MAESTRO_RECIPES: recipe } });
}, TIMEOUT_MS);

afterAll(async () => {
  await shared?.stop();
  await rm(dir, { recursive: true, force: true });
}, TIMEOUT_MS);

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

    await shared.cluster.restart('coordinator', { env: { MAESTRO_RECIPES: recipe } });
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
    'recipe: expected one of "mae-pretrain"|"knn"|"denoise", found "contrast"; modules of other recipes are loaded by MAESTRO_RECIPES',
  );
  const clashing = await runCli(['jobs'], dir, { MAESTRO_RECIPES: `${recipe},${recipe}` });
  const twice = `maestro: MAESTRO_RECIPES: ${recipe} cannot be loaded: recipe denoise: the module is named twice; name it once\n`;
  expect([clashing.code, clashing.stderr]).toEqual([2, twice]);
});
