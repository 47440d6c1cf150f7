import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { listCheckpoints, verifyCheckpoint } from '@maestro/checkpoint';
import { type Cluster, startCluster } from '@maestro/cli';
import { connectJobClient, type JobClient } from '@maestro/client';
import { openDataset, packDataset } from '@maestro/data';
import { isTerminal, type Job } from '@maestro/protocol';
import { openStorage } from '@maestro/storage';
import { writeImages } from '../bench/data/images.ts';
import { runCli } from '../support/cluster/runCli.ts';
import { smallJob } from '../support/cluster/smallJob.ts';
import { hashOf } from '../support/cluster/testCluster.ts';
import { hasS3Server, type S3Server, startS3Server } from '../support/tools/s3Server.ts';

const TIMEOUT_MS = 300_000;
const STEPS = 12;

((await hasS3Server()) ? describe : describe.skip)('a cluster with an object store', () => {
  let dir: string;
  let s3: S3Server;
  let cluster: Cluster;
  let client: JobClient;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'maestro-s3-cluster-'));
    s3 = await startS3Server();
    Object.assign(process.env, s3.env);
    await writeImages(join(dir, 'images'), { count: 200, size: 24 });
    const dataset = await openDataset({ format: 'image-folder', path: join(dir, 'images') });
    await packDataset({ dataset, to: openStorage(`${s3.bucket}/sets/images`), shardBytes: 50_000 });
    const env = {
      ...s3.env,
      MAESTRO_FAILURE_TIMEOUT_MS: '2000',
      MAESTRO_RECONSTRUCTION_SECONDS: '0',
      MAESTRO_CHECKPOINTS: `${s3.bucket}/runs`,
      MAESTRO_DATA_ROOTS: `${dir}:${s3.bucket}/sets`,
    };
    cluster = await startCluster({ workers: 1, dataDir: join(dir, 'data'), env });
    client = connectJobClient(cluster.coordinator);
  }, TIMEOUT_MS);

  afterAll(async () => {
    client?.close();
    await cluster?.stop();
    await s3?.stop();
    await rm(dir, { recursive: true, force: true });
  }, TIMEOUT_MS);

  const submit = (data: object, checkpoint: object = {}): Promise<Job> => {
    // Wide enough that its files are uploaded in parts.
    const model = { channels: 3, embedDim: 384, depth: 2, numHeads: 6 };
    const spec = smallJob({ path: '', workers: 1, steps: STEPS, model, resources: { minWorkers: 1, maxWorkers: 2 }, checkpoint });
    return client.submitJob({ spec: { ...spec, data } });
  };
  const ended = async ({ id }: Job): Promise<Job> => {
    for await (const now of client.watchJob(id)) if (isTerminal(now.state)) return now;
    throw new Error('the watch ended before the job');
  };

  test(
    'a job from shards in S3 with checkpoints in S3 leaves the bits of one on disk, though its only worker is killed in an upload',
    async () => {
      const local = await ended(
        await submit({ format: 'image-folder', path: join(dir, 'images') }, { location: join(dir, 'checkpoints') }),
      );
      const hash = hashOf(local, STEPS);
      expect((await readdir(join(dir, 'checkpoints', local.id))).length).toBeGreaterThan(1);
      // Nothing but the job's file names that place.
      const place = ['--data-dir', join(dir, 'data'), '--coordinator', cluster.coordinator];
      for (const command of ['ls', 'verify']) {
        const { code, stdout, stderr } = await runCli([...place, 'checkpoint', command, local.id, '--json'], dir);
        expect([code, stderr]).toEqual([0, '']);
        const found = JSON.parse(stdout) as { step: number; valid: boolean; checkpointHash: string }[];
        expect(found.map(({ step, valid }) => [step, valid])).toEqual([5, 10, 12].map((step) => [step, true]));
        expect(found.at(-1)!.checkpointHash).toBe(hash);
      }
      const elsewhere = ['--coordinator', '127.0.0.1:1', 'checkpoint', 'ls', local.id, '--json'];
      expect(await runCli(elsewhere, dir)).toMatchObject({ code: 1, stderr: expect.stringMatching(/no checkpoints in .*--location/) });
      expect((await runCli([...elsewhere, '--location', join(dir, 'checkpoints')], dir)).code).toBe(0);
      await expect(submit({ format: 'webdataset', path: `${s3.bucket}/other` })).rejects.toMatchObject({ code: 'permission-denied' });

      const [name] = cluster.processes.map((process) => process.name).filter((each) => each.startsWith('worker-')) as [string];
      await cluster.restart(name, { env: { MAESTRO_FAULTS: '10/checkpoint-fsync/kill' } });
      await cluster.connected(1);
      const died = cluster.ended(name);
      const job = await submit({ format: 'webdataset', path: `${s3.bucket}/sets/images` });
      const root = `${s3.bucket}/runs/${job.id}`;
      expect(await died).toBe('SIGKILL');
      const uploads = async () =>
        (await readdir(s3.folder, { recursive: true })).filter((each) => /\.sgwtmp\/multipart\/.*\/\d+$/.test(each));
      expect((await uploads()).length).toBeGreaterThan(0);
      expect((await listCheckpoints(root)).map(({ step }) => step)).toEqual([5]);
      await cluster.restart(name, { env: {} });
      await cluster.addWorker();
      expect(hashOf(await ended(job), STEPS)).toBe(hash);
      expect(await uploads()).toEqual([]);
      const listed = await listCheckpoints(root);
      expect(listed.map(({ step }) => step)).toEqual([5, 10, 12]);
      for (const checkpoint of listed) expect((await verifyCheckpoint(checkpoint.dir)).valid).toBe(true);

      const page = (await (await fetch(`http://${cluster.http}/api/v1/jobs/${job.id}/checkpoints`)).json()) as {
        items: { path: string; valid: boolean }[];
      };
      expect(page.items.map(({ path, valid }) => [path, valid])[0]).toEqual([`${root}/step-00000012`, true]);
      const download = await fetch(`http://${cluster.http}/api/v1/jobs/${job.id}/checkpoints/12/download`);
      expect((await download.arrayBuffer()).byteLength).toBe(Number(download.headers.get('content-length')));
    },
    TIMEOUT_MS,
  );
});
