import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { contentHash, contentText, openDataset } from '@maestro/data';
import type { Job } from '@maestro/protocol';
import sharp from 'sharp';
import { type FolderCluster, IMAGES, openFolderCluster } from '../support/cluster/folderCluster.ts';
import { eventually } from '../support/eventually.ts';

const TIMEOUT_MS = 300_000;

let shared: FolderCluster;

beforeAll(async () => {
  shared = await openFolderCluster('folders');
}, TIMEOUT_MS);

afterAll(async () => {
  await shared?.stop();
}, TIMEOUT_MS);

test(
  'where the bound on broken images lies does not depend on the workers: two of 200 are borne by one and by two, and three by neither',
  async () => {
    const [borne, refused] = [
      await shared.writeImages('two-broken', { broken: 2 }),
      await shared.writeImages('three-broken', { broken: 3 }),
    ];
    // One epoch: of three broken images no worker of two sees all.
    const outcomes = [];
    for (const path of [borne, refused]) for (const workers of [1, 2]) outcomes.push(await shared.train(path, workers, 3));
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
  'one image in a hundred is held out unless the job file says otherwise: it is not trained on, and reconstructions are of it',
  async () => {
    const path = await shared.writeImages('held-out', { broken: 0 });
    const [one, two, all] = [await shared.train(path, 1, 4, {}), await shared.train(path, 2, 4, {}), await shared.train(path, 2, 4)];
    expect([one.state, two.state, all.state]).toEqual(['succeeded', 'succeeded', 'succeeded']);
    expect(two.checkpoints.at(-1)!.hash).toBe(one.checkpoints.at(-1)!.hash);
    expect(all.checkpoints.at(-1)!.hash).not.toBe(one.checkpoints.at(-1)!.hash);
    const audits = await Promise.all([one, two, all].map(({ id }) => shared.client.auditJob(id)));
    expect(audits.map(({ samples, isClean }) => [samples, isClean])).toEqual([
      [IMAGES - 2, true],
      [IMAGES - 2, true],
      [IMAGES, true],
    ]);
    expect(audits[1]!.dataDigest).toBe(audits[0]!.dataDigest);
    const drawn = async ({ id }: Job) =>
      eventually('a reconstruction', async () => {
        const answer = await fetch(`http://${shared.cluster.http}/api/v1/jobs/${id}/reconstructions`);
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
      await mkdir(join(shared.dir, folder, 'copies'), { recursive: true });
      for (let n = 0; n < count; n++) {
        const pixels = Uint8Array.from({ length: 3 * 16 * 16 }, (_, i) => (i * (n + 1) + (same.has(n) ? 0 : shift)) & 255);
        const tiff = sharp(pixels, { raw: { width: 16, height: 16, channels: 3 } }).tiff({ compression: 'none' });
        await writeFile(join(shared.dir, folder, 'copies', nameOf(n)), await tiff.toBuffer());
      }
      return join(shared.dir, folder, 'copies');
    };
    const [one, two] = [await files('one', 0), await files('two', 100)];
    const fingerprints = [one, two].map(async (path) => (await openDataset({ format: 'image-folder', path })).fingerprint);
    expect(new Set(await Promise.all(fingerprints)).size).toBe(1);

    // One epoch, so that nobody trains on what another trained on.
    const job = await shared.train('/proc/self/cwd/copies', 2, 6);
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
    for (const path of [one, two]) digests.push((await shared.client.auditJob((await shared.train(path, 1, 3)).id)).dataDigest);
    expect(digests).toEqual([expect.stringMatching(/^\w{13}$/), expect.stringMatching(/^\w{13}$/)]);
    expect(digests[1]).not.toBe(digests[0]);
    expect((await shared.client.auditJob((await shared.train(one, 2, 3)).id)).dataDigest).toBe(digests[0]);
  },
  TIMEOUT_MS,
);
