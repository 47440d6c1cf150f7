import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Cluster, startCluster } from '@maestro/cli';
import { connectJobClient, type JobClient } from '@maestro/client';
import { contentHash, contentText, openDataset, renderGrid } from '@maestro/data';
import { isTerminal, type Job } from '@maestro/protocol';
import sharp from 'sharp';
import { smallJob } from '../support/cluster/smallJob.ts';
import { eventually } from '../support/eventually.ts';

const IMAGES = 200;
const TIMEOUT_MS = 300_000;

let dir: string;
let cluster: Cluster;
let client: JobClient;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'maestro-folder-'));
  cluster = await startCluster({ workers: 1, dataDir: join(dir, 'data'), env: await startedIn('one') });
  await cluster.addWorker({ env: await startedIn('two') });
  await cluster.connected(2);
  client = connectJobClient(cluster.coordinator);
}, TIMEOUT_MS);

afterAll(async () => {
  client?.close();
  await cluster?.stop();
  await rm(dir, { recursive: true, force: true });
}, TIMEOUT_MS);

/** Variables that let a process work in a folder of its own: what lies below /proc/self/cwd is then as on a machine of its own. */
async function startedIn(folder: string): Promise<Record<string, string>> {
  const [place, script] = [join(dir, folder), join(dir, `${folder}.mjs`)];
  await mkdir(place);
  await writeFile(
    script,
    `import { isMainThread } from 'node:worker_threads';\nif (isMainThread) process.chdir(${JSON.stringify(place)});\n`,
  );
  return { NODE_OPTIONS: `--import=${script}` };
}

/** Writes a folder of small colour pictures in two classes, the first `broken` of which are cut short. */
async function writeImages(name: string, { broken }: { readonly broken: number }): Promise<string> {
  const root = join(dir, name);
  for (const kind of ['cats', 'dogs']) await mkdir(join(root, kind), { recursive: true });
  for (let n = 0; n < IMAGES; n++) {
    const tile = Float32Array.from({ length: 3 * 20 * 20 }, (_, i) => ((i * (n + 1)) % 97) / 97);
    const png = await renderGrid({
      rows: [[tile]],
      size: 20,
      channels: 3,
      normalisation: { mean: [0, 0, 0], std: [1, 1, 1] },
      scale: 1,
      gap: 0,
    });
    await writeFile(join(root, n % 2 === 0 ? 'cats' : 'dogs', `${String(n).padStart(3, '0')}.png`), n < broken ? png.subarray(0, 40) : png);
  }
  return root;
}

/** `data` is what the job file says beside the path; these sets are of few images, and by default train on all. */
async function train(path: string, workers: number, steps = 6, data: object = { holdOut: 0 }): Promise<Job> {
  const spec = smallJob({ path, workers, steps });
  const job = await client.submitJob({
    spec: { ...spec, data: { format: 'image-folder', path, ...data }, model: { ...(spec['model'] as object), channels: 3 } },
  });
  for await (const now of client.watchJob(job.id)) if (isTerminal(now.state)) return now;
  throw new Error('the watch ended before the job');
}

test(
  'a folder of images with a broken one trains to the same bits on one and two workers; the broken one is counted and named',
  async () => {
    const path = await writeImages('one-broken', { broken: 1 });
    const [one, two] = [await train(path, 1), await train(path, 2)];
    expect([one.message, two.message]).toEqual(['finished after 6 steps', 'finished after 6 steps']);
    expect(two.checkpoints.at(-1)!.hash).toBe(one.checkpoints.at(-1)!.hash);
    // Six steps of 64 are two epochs of three: the broken image comes up in both unless the incomplete last batch holds it.
    expect(one.progress!.skippedImages).toBeGreaterThan(0);
    expect(one.progress!.images + one.progress!.skippedImages).toBe(6 * 64);
    expect(two.progress!.skippedImages).toBe(one.progress!.skippedImages);
    const log = await readFile(join(dir, 'data', 'logs', 'coordinator.log'), 'utf8');
    const told = log.split('\n').filter((line) => line.includes('image skipped') && line.includes(two.id));
    expect(two.progress!.skippedImages).toBe(2);
    expect(told.map((line) => JSON.parse(line).image)).toEqual(['cats/000.png']);
  },
  TIMEOUT_MS,
);

test(
  'where the bound on broken images lies does not depend on the workers: two of 200 are borne by one and by two, and three by neither',
  async () => {
    const [borne, refused] = [await writeImages('two-broken', { broken: 2 }), await writeImages('three-broken', { broken: 3 })];
    // One epoch: of three broken images no worker of two sees all.
    const outcomes = [];
    for (const path of [borne, refused]) for (const workers of [1, 2]) outcomes.push(await train(path, workers, 3));
    expect(outcomes.map(({ state }) => state)).toEqual(['succeeded', 'succeeded', 'failed', 'failed']);
    const [one, two, ...failed] = outcomes;
    expect(two!.checkpoints.at(-1)!.hash).toBe(one!.checkpoints.at(-1)!.hash);
    for (const { message, progress } of failed) {
      expect(message).toMatch(/^data set: 3 of 200 samples cannot be decoded, more than 1 %; remove or mend them: /);
      expect(progress!.skippedImages).toBe(3);
    }
    expect(failed[1]!.progress!.step).toBe(failed[0]!.progress!.step);
  },
  TIMEOUT_MS,
);

test(
  'more than one broken image in a hundred ends the job with their names and what to do',
  async () => {
    const job = await train(await writeImages('many-broken', { broken: 40 }), 2);
    expect(job.state).toBe('failed');
    expect(job.message).toContain('cannot be decoded, more than 1 %; remove or mend them');
    expect(job.message).toMatch(/(cats|dogs)\/0\d\d\.png/);
  },
  TIMEOUT_MS,
);

test(
  'a job leaves its artifacts: three models, the initial checkpoint, and a manifest that names the parameters',
  async () => {
    const job = await train(await writeImages('whole', { broken: 0 }), 2);
    const artifacts = join(dir, 'data', 'jobs', job.id, 'artifacts');
    expect((await readdir(artifacts)).sort()).toEqual([
      'artifacts.json',
      'checkpoint',
      'eval_model.onnx',
      'optimizer_model.onnx',
      'training_model.onnx',
    ]);
    expect(await readdir(join(artifacts, 'checkpoint'))).toEqual(['model.safetensors']);
    const manifest = JSON.parse(await readFile(join(artifacts, 'artifacts.json'), 'utf8'));
    expect(manifest.parameters[0]).toMatchObject({ name: 'cls_token', shape: [1, 1, 48], decay: true });
  },
  TIMEOUT_MS,
);

test(
  'one image in a hundred is held out unless the job file says otherwise: it is not trained on, and reconstructions are of it',
  async () => {
    const path = await writeImages('held-out', { broken: 0 });
    const [one, two, all] = [await train(path, 1, 4, {}), await train(path, 2, 4, {}), await train(path, 2, 4)];
    expect([one.state, two.state, all.state]).toEqual(['succeeded', 'succeeded', 'succeeded']);
    expect(two.checkpoints.at(-1)!.hash).toBe(one.checkpoints.at(-1)!.hash);
    expect(all.checkpoints.at(-1)!.hash).not.toBe(one.checkpoints.at(-1)!.hash);
    const audits = await Promise.all([one, two, all].map(({ id }) => client.auditJob(id)));
    expect(audits.map(({ samples, isClean }) => [samples, isClean])).toEqual([
      [IMAGES - 2, true],
      [IMAGES - 2, true],
      [IMAGES, true],
    ]);
    expect(audits[1]!.dataDigest).toBe(audits[0]!.dataDigest);
    const drawn = async ({ id }: Job) =>
      eventually('a reconstruction', async () => {
        const answer = await fetch(`http://${cluster.http}/api/v1/jobs/${id}/reconstructions`);
        const { items } = (await answer.json()) as { readonly items: readonly { readonly areHeldOut: boolean }[] };
        return items[0];
      });
    expect([(await drawn(two)).areHeldOut, (await drawn(all)).areHeldOut]).toEqual([true, false]);
  },
  TIMEOUT_MS,
);

test(
  'copies of a data set that differ in files of equal size never train together: the file, the workers and both hashes are named',
  async () => {
    const count = 401;
    // What the fingerprint reads of an image folder is the same in both.
    const same = new Set(Array.from({ length: 64 }, (_, k) => Math.floor((k * count) / 64)));
    const nameOf = (n: number) => `${String(n).padStart(3, '0')}.tif`;
    const files = async (folder: string, shift: number) => {
      await mkdir(join(dir, folder, 'copies'), { recursive: true });
      for (let n = 0; n < count; n++) {
        const pixels = Uint8Array.from({ length: 3 * 16 * 16 }, (_, i) => (i * (n + 1) + (same.has(n) ? 0 : shift)) & 255);
        const tiff = sharp(pixels, { raw: { width: 16, height: 16, channels: 3 } }).tiff({ compression: 'none' });
        await writeFile(join(dir, folder, 'copies', nameOf(n)), await tiff.toBuffer());
      }
      return join(dir, folder, 'copies');
    };
    const [one, two] = [await files('one', 0), await files('two', 100)];
    const fingerprints = [one, two].map(async (path) => (await openDataset({ format: 'image-folder', path })).fingerprint);
    expect(new Set(await Promise.all(fingerprints)).size).toBe(1);

    // One epoch, so that nobody trains on what another trained on.
    const job = await train('/proc/self/cwd/copies', 2, 6);
    expect(job.state).toBe('failed');
    const told = /data set: (\d{3}\.tif) has content hash (\w{13}) on (worker-\w), (worker-\w) had (\w{13})/.exec(job.message);
    expect([job.message, told]).not.toContain(null);
    const [, name, found, reader, firstReader, first] = told!;
    const hashOf = async (folder: string) => contentText(contentHash(await readFile(join(folder, name!))));
    expect([found, first].sort()).toEqual([await hashOf(one), await hashOf(two)].sort());
    expect([reader, firstReader].sort()).toEqual(['worker-a', 'worker-b']);
    expect(job.checkpoints).toEqual([]);

    // By itself each copy trains, and the audits tell them apart.
    const digests = [];
    for (const path of [one, two]) digests.push((await client.auditJob((await train(path, 1, 3)).id)).dataDigest);
    expect(digests).toEqual([expect.stringMatching(/^\w{13}$/), expect.stringMatching(/^\w{13}$/)]);
    expect(digests[1]).not.toBe(digests[0]);
    expect((await client.auditJob((await train(one, 2, 3)).id)).dataDigest).toBe(digests[0]);
  },
  TIMEOUT_MS,
);
