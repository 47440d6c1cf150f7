import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type FolderCluster, openFolderCluster } from '../support/cluster/folderCluster.ts';

const TIMEOUT_MS = 300_000;

let shared: FolderCluster;

beforeAll(async () => {
  shared = await openFolderCluster('folder');
}, TIMEOUT_MS);

afterAll(async () => {
  await shared?.stop();
}, TIMEOUT_MS);

test(
  'a folder of images with a broken one trains to the same bits on one and two workers; the broken one is counted and named',
  async () => {
    const path = await shared.writeImages('one-broken', { broken: 1 });
    const [one, two] = [await shared.train(path, 1), await shared.train(path, 2)];
    expect([one.message, two.message]).toEqual(['finished after 6 steps', 'finished after 6 steps']);
    expect(two.checkpoints.at(-1)!.hash).toBe(one.checkpoints.at(-1)!.hash);
    // Six steps of 64 are two epochs of three: the broken image comes up in both unless the incomplete last batch holds it.
    expect(one.progress!.skippedImages).toBeGreaterThan(0);
    expect(one.progress!.images + one.progress!.skippedImages).toBe(6 * 64);
    expect(two.progress!.skippedImages).toBe(one.progress!.skippedImages);
    const log = await readFile(join(shared.dir, 'data', 'logs', 'coordinator.log'), 'utf8');
    const told = log.split('\n').filter((line) => line.includes('image skipped') && line.includes(two.id));
    expect(two.progress!.skippedImages).toBe(2);
    expect(told.map((line) => JSON.parse(line).image)).toEqual(['cats/000.png']);
  },
  TIMEOUT_MS,
);

test(
  'more than one broken image in a hundred ends the job with their names and what to do',
  async () => {
    const job = await shared.train(await shared.writeImages('many-broken', { broken: 40 }), 2);
    expect(job.state).toBe('failed');
    expect(job.message).toContain('cannot be decoded, more than 1 %; remove or mend them');
    expect(job.message).toMatch(/(cats|dogs)\/0\d\d\.png/);
  },
  TIMEOUT_MS,
);

test(
  'a job leaves its artifacts: three models, the initial checkpoint, and a manifest that names the parameters',
  async () => {
    const job = await shared.train(await shared.writeImages('whole', { broken: 0 }), 2);
    const artifacts = join(shared.dir, 'data', 'jobs', job.id, 'artifacts');
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
