import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Cluster, startCluster } from '@maestro/cli';
import { connectJobClient, type JobClient } from '@maestro/client';
import { openDataset, packDataset } from '@maestro/data';
import { isTerminal, type Job } from '@maestro/protocol';
import { openStorage } from '@maestro/storage';
import { writeImages } from '../bench/data/images.ts';
import { smallJob } from '../support/cluster/smallJob.ts';
import { hashOf } from '../support/cluster/testCluster.ts';
import { type Misbehaviour, type RangeServer, serveFolder } from '../support/network/rangeServer.ts';

const TIMEOUT_MS = 300_000;
const IMAGES = 200;
const STEPS = 10;
/** Of the cache of each worker: less than the data, so that blocks are fetched again. */
const CACHE_BYTES = 2_000_000;
/** Parts of a data set that the server gives before it is gone for good. */
const ANSWERED = 4;

let dir: string;
let server: RangeServer;
let cluster: Cluster;
let client: JobClient;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'maestro-packed-cluster-'));
  await writeImages(join(dir, 'images'), { count: IMAGES, size: 64 });
  const dataset = await openDataset({ format: 'image-folder', path: join(dir, 'images') });
  // Decoded once: 2.5 MB, ten blocks; the two sets have no block in common.
  for (const [name, shorterSide] of [
    ['pixels', 64],
    ['lost', 63],
  ] as const)
    await packDataset({ dataset, to: openStorage(join(dir, name)), shardBytes: 500_000, pixels: { shorterSide } });
  await packDataset({ dataset, to: openStorage(join(dir, 'altered')), shardBytes: 1e9, pixels: { shorterSide: 64 } });
  let lost = 0;
  const misbehave = (path: string, before: number): Misbehaviour | undefined => {
    if (path.startsWith('/lost')) return lost++ < ANSWERED ? undefined : 'gone';
    return before % 3 === 0 ? 'cut' : before % 3 === 1 ? 'busy' : undefined;
  };
  server = await serveFolder(dir, { misbehave });
  const env = {
    MAESTRO_FAILURE_TIMEOUT_MS: '5000',
    MAESTRO_RECONSTRUCTION_SECONDS: '0',
    MAESTRO_DATA_ROOTS: `${dir}:${server.url}/pixels:${server.url}/lost`,
    MAESTRO_CACHE_DIR: join(dir, 'cache'),
    MAESTRO_CACHE_SIZE: `${CACHE_BYTES}`,
    MAESTRO_DATA_PATIENCE_SECONDS: '3',
  };
  cluster = await startCluster({ workers: 2, dataDir: join(dir, 'data'), env });
  client = connectJobClient(cluster.coordinator);
}, TIMEOUT_MS);

afterAll(async () => {
  client?.close();
  await cluster?.stop();
  await server?.close();
  await rm(dir, { recursive: true, force: true });
}, TIMEOUT_MS);

const submit = (path: string): Promise<Job> => {
  const spec = smallJob({ path: '', workers: 2, steps: STEPS, model: { channels: 3, imageSize: 32 } });
  return client.submitJob({ spec: { ...spec, data: { format: 'webdataset', path } } });
};
/** Divides the only shard of a packed set into blocks of 4 KiB, of which few are looked at when it is opened. */
async function refineIndex(place: string): Promise<Buffer> {
  const file = join(place, 'index.json');
  const index = JSON.parse(await readFile(file, 'utf8'));
  const bytes = await readFile(join(place, index.shards[0].name));
  index.blockBytes = 4096;
  index.shards[0].blocks = Array.from({ length: Math.ceil(bytes.length / 4096) }, (_, at) =>
    createHash('sha256')
      .update(bytes.subarray(at * 4096, (at + 1) * 4096))
      .digest('hex'),
  );
  await writeFile(file, JSON.stringify(index));
  return bytes;
}

const ended = async ({ id }: Job): Promise<Job> => {
  for await (const now of client.watchJob(id)) if (isTerminal(now.state)) return now;
  throw new Error('the watch ended before the job');
};

test(
  'a job from a web server that cuts connections and is too busy at times leaves the bits of one from a folder, with a bounded cache',
  async () => {
    const hash = hashOf(await ended(await submit(join(dir, 'pixels'))), STEPS);
    const job = await ended(await submit(`${server.url}/pixels/index.json`));
    expect(hashOf(job, STEPS)).toBe(hash);
    expect(server.misbehaved).toBeGreaterThan(0);
    expect(server.sentBytes).toBeGreaterThan(0);
    expect(await client.auditJob(job.id)).toMatchObject({ isClean: true, step: STEPS, missing: 0, duplicates: 0 });
    const files = (await readdir(join(dir, 'cache'), { recursive: true })).filter((name) => /\/[0-9a-f]{64}$/.test(name));
    const sizes = await Promise.all(files.map(async (name) => (await stat(join(dir, 'cache', name))).size));
    expect(sizes.length).toBeGreaterThan(0);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(CACHE_BYTES);
  },
  TIMEOUT_MS,
);

test(
  'an address beside the roots is refused, and a server that is gone for good ends the job with one error that names it',
  async () => {
    await expect(submit(`${server.url}/images`)).rejects.toMatchObject({
      code: 'permission-denied',
      message: expect.stringContaining(`${server.url}/images is outside the locations that jobs may use`),
    });
    await expect(submit(`${server.url}/pixels/../images`)).rejects.toMatchObject({ code: 'permission-denied' });
    const job = await ended(await submit(`${server.url}/lost`));
    expect([job.state, job.message]).toEqual([
      'failed',
      expect.stringMatching(/GET http:.*\/lost\/shard-\d+\.tar: no answer \(.*check that the server is up/),
    ]);
    // The cluster is as good as before.
    expect((await ended(await submit(join(dir, 'pixels')))).state).toBe('succeeded');
  },
  TIMEOUT_MS,
);

test(
  'a job on shards of others is taken, planned and trained, counted by nobody before workers make their index',
  async () => {
    const place = join(dir, 'foreign');
    await mkdir(place);
    const names = (await readdir(join(dir, 'images'))).sort();
    for (const [name, members] of [
      ['a', names.slice(0, 90)],
      ['b', names.slice(90)],
    ] as const)
      execFileSync('tar', ['-cf', join(place, `${name}.tar`), '-C', dir, ...members.map((member) => `images/${member}`)]);
    const seen = await fetch(`http://${cluster.http}/api/v1/data?path=${encodeURIComponent(place)}`);
    expect(await seen.json()).toMatchObject({ format: 'webdataset', note: expect.stringContaining('have no index; workers make one') });
    const data = { format: 'webdataset', path: place };
    const spec = { ...smallJob({ path: '', workers: 2, steps: 3, model: { channels: 3, imageSize: 32 } }), data };
    const checked = await client.checkJob(spec);
    expect([checked.plan.totalSteps, checked.warnings]).toEqual([
      3,
      expect.arrayContaining([expect.stringContaining('workers make one when the job starts')]),
    ]);
    const posted = await fetch(`http://${cluster.http}/api/v1/jobs`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(spec),
    });
    const job = (await posted.json()) as Job;
    expect([posted.status, job]).toMatchObject([201, { id: expect.any(String) }]);
    expect(await ended(job)).toMatchObject({ state: 'succeeded', message: 'finished after 3 steps' });
  },
  TIMEOUT_MS,
);

test(
  'a shard whose bytes are not those of its index ends the job with its name, and no step was trained on them',
  async () => {
    const place = join(dir, 'altered');
    const bytes = await refineIndex(place);
    bytes.fill(7, 4096 * 2 + 600, 4096 * 3);
    await writeFile(join(place, 'shard-000000.tar'), bytes);
    const job = await ended(await submit(place));
    expect([job.state, job.message]).toEqual(['failed', expect.stringContaining('shard-000000.tar does not match its index at byte 8192')]);
  },
  TIMEOUT_MS,
);
