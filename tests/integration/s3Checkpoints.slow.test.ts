import { spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  glanceAtCheckpoint,
  listCheckpoints,
  newestValidCheckpoint,
  readCheckpoint,
  retainCheckpoints,
  tarCheckpoint,
  verifyCheckpoint,
  writeCheckpoint,
} from '@maestro/checkpoint';
import { eventually } from '../support/eventually.ts';
import { hasS3Server, type S3Server, startS3Server } from '../support/tools/s3Server.ts';

const hasS3 = await hasS3Server();
/** Of each vector: 12 MB, so that files are uploaded in parts. */
const VALUES = 3_000_000;
/** Two processes write some hundred megabytes each. */
const STALL_MS = 120_000;

let dir: string;
let s3: S3Server;
let count = 0;

(hasS3 ? describe : describe.skip)('checkpoints in an object store', () => {
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'maestro-s3-checkpoints-'));
    s3 = await startS3Server();
    Object.assign(process.env, s3.env);
  });
  afterAll(async () => {
    await s3?.stop();
    await rm(dir, { recursive: true, force: true });
  });

  const vectors = (step: number, scale = 1) => {
    const list = (value: number) => [
      { name: 'w', shape: [VALUES], data: new Float32Array(VALUES).map((_, i) => (value * scale * (i % 1000) + step) / 7) },
      { name: 'b', shape: [3], data: Float32Array.of(step, value, scale) },
    ];
    return { step, parameters: list(1), firstMoments: list(2), secondMoments: list(3), state: { seed: 1, loss: 10 - step } };
  };
  const newRoot = (): { root: string; folder: string } => {
    const name = `job-${count++}`;
    return { root: `${s3.bucket}/runs/${name}`, folder: join(s3.folder, 'runs', name) };
  };
  const steps = async (root: string) => (await listCheckpoints(root)).map(({ step }) => step);
  const uploads = async () => (await readdir(s3.folder, { recursive: true })).filter((name) => /\.sgwtmp\/multipart\/.*\/\d+$/.test(name));

  test('has the same hash and the same bytes as on disk, verifies, and reads back', async () => {
    const { root, folder } = newRoot();
    const onDisk = await writeCheckpoint({ root: join(dir, 'disk'), ...vectors(1) });
    const stored = await writeCheckpoint({ root, ...vectors(1) });
    expect(stored).toEqual({ ...onDisk, dir: `${root}/step-00000001` });
    for (const file of await readdir(onDisk.dir)) {
      expect(Buffer.compare(await readFile(join(folder, 'step-00000001', file)), await readFile(join(onDisk.dir, file)))).toBe(0);
    }
    expect(await verifyCheckpoint(stored.dir)).toMatchObject({
      valid: true,
      step: 1,
      checkpointHash: onDisk.checkpointHash,
      extraFiles: [],
    });
    expect(await glanceAtCheckpoint(stored.dir)).toMatchObject({
      valid: true,
      sizeBytes: (await glanceAtCheckpoint(onDisk.dir)).sizeBytes,
    });
    const read = await readCheckpoint(stored.dir);
    expect(read.checkpointHash).toBe(onDisk.checkpointHash);
    expect(read.parameters.find(({ name }) => name === 'b')!.data).toEqual(Float32Array.of(1, 1, 1));
    const { sizeBytes, bytes } = await tarCheckpoint(stored.dir);
    let length = 0;
    for await (const part of bytes) length += part.length;
    expect(length).toBe(sizeBytes);
    expect(await uploads()).toEqual([]);
  });

  /** Lets another process write the checkpoint of step 2 and kill itself when it comes to a phase. */
  const killedAt = async (root: string, phase: string): Promise<void> => {
    const script = `import { writeCheckpoint } from '${import.meta.resolve('@maestro/checkpoint')}';
      const list = (value) => [{ name: 'w', shape: [${VALUES}], data: new Float32Array(${VALUES}).fill(value) }];
      await writeCheckpoint({ root: '${root}', step: 2, parameters: list(1), firstMoments: list(2), secondMoments: list(3), state: {},
        onPhase: ({ name, target }) => { if (name + ' ' + target === '${phase}') process.kill(process.pid, 'SIGKILL'); } });`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], { env: process.env, stdio: 'inherit' });
    expect(await new Promise((resolve) => child.once('close', (_, signal) => resolve(signal)))).toBe('SIGKILL');
  };

  test.each([
    ['write model.safetensors', 0],
    ['fsync model.safetensors', 2],
    ['write optimizer.safetensors', 0],
    ['fsync optimizer.safetensors', 3],
    ['fsync state.json', 0],
    ['rename step-00000002', 0],
    ['fsync manifest.json', 0],
  ])('a writer killed at "%s" leaves the one before as the newest valid, and the next write clears all it left', async (phase, parts) => {
    const { root, folder } = newRoot();
    const { checkpointHash } = await writeCheckpoint({ root, ...vectors(1) });
    await killedAt(root, phase);
    expect((await uploads()).length).toBe(parts);
    expect(await steps(root)).toEqual([1]);
    expect(await newestValidCheckpoint(root)).toMatchObject({ checkpoint: { step: 1, checkpointHash }, passedOver: [] });
    await writeCheckpoint({ root, ...vectors(3) });
    expect(await uploads()).toEqual([]);
    expect(await readdir(folder)).toEqual(['step-00000001', 'step-00000003']);
    expect((await newestValidCheckpoint(root)).checkpoint?.step).toBe(3);
  });

  /**
   * Lets another process write the checkpoint of step 2 and stop itself when it comes to a phase; gives what lets it go on, and its exit
   * code.
   */
  const stalledAt = async (root: string, phase: string): Promise<() => Promise<number | null>> => {
    const script = `import { writeCheckpoint } from '${import.meta.resolve('@maestro/checkpoint')}';
      const list = (value) => [{ name: 'w', shape: [${VALUES}], data: new Float32Array(${VALUES}).fill(value) }];
      await writeCheckpoint({ root: '${root}', step: 2, parameters: list(1), firstMoments: list(2), secondMoments: list(3), state: {},
        onPhase: ({ name, target }) => { if (name + ' ' + target === '${phase}') process.kill(process.pid, 'SIGSTOP'); } })
        .catch((error) => { if (error.code !== 'conflict' && error.details?.code !== 'NoSuchUpload') throw error; process.exit(3); });`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], { env: process.env, stdio: 'inherit' });
    const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
    await eventually('the writer to stop', async () => /^\d+ \(.*\) T/.test(await readFile(`/proc/${child.pid}/stat`, 'utf8')));
    return () => {
      child.kill('SIGCONT');
      return ended;
    };
  };

  test.each([
    'write model.safetensors',
    'fsync model.safetensors',
    'write optimizer.safetensors',
    'fsync optimizer.safetensors',
    'fsync state.json',
    'rename step-00000002',
    'fsync manifest.json',
  ])(
    'a writer that stalls at "%s" and goes on after another has cleared its upload gives up, and leaves nothing',
    async (phase) => {
      const { root, folder } = newRoot();
      await writeCheckpoint({ root, ...vectors(1) });
      const goOn = await stalledAt(root, phase);
      await writeCheckpoint({ root, ...vectors(3) });
      const code = await goOn();
      // One that had written nothing yet has lost nothing, and may finish: its checkpoint is as good as any.
      const isUntouched = phase === 'write model.safetensors';
      expect(code).toBe(isUntouched ? 0 : 3);
      const left = isUntouched ? [1, 2, 3] : [1, 3];
      expect(await steps(root)).toEqual(left);
      for (const step of left) expect((await verifyCheckpoint(`${root}/step-0000000${step}`)).valid).toBe(true);
      expect(await newestValidCheckpoint(root)).toMatchObject({ checkpoint: { step: 3 }, passedOver: [] });
      expect(await uploads()).toEqual([]);
      expect(await readdir(folder)).toEqual(left.map((step) => `step-0000000${step}`));
    },
    STALL_MS,
  );

  test.each(['fsync model.safetensors', 'write optimizer.safetensors', 'fsync state.json', 'fsync manifest.json'])(
    'a writer that stalls at "%s" does no harm to another that has written the same checkpoint meanwhile',
    async (phase) => {
      const { root, folder } = newRoot();
      const goOn = await stalledAt(root, phase);
      const list = (value: number) => [{ name: 'w', shape: [VALUES], data: new Float32Array(VALUES).fill(value) }];
      const same = { parameters: list(1), firstMoments: list(2), secondMoments: list(3), state: {} };
      const { checkpointHash } = await writeCheckpoint({ root, step: 2, ...same });
      expect(await goOn()).toBe(phase === 'fsync manifest.json' ? 0 : 3);
      expect(await newestValidCheckpoint(root)).toMatchObject({ checkpoint: { step: 2, checkpointHash }, passedOver: [] });
      expect(await uploads()).toEqual([]);
      expect(await readdir(folder)).toEqual(['step-00000002']);
    },
    STALL_MS,
  );

  test('one that is damaged is passed over and named; a server that does not answer is no reason to fall back', async () => {
    const { root, folder } = newRoot();
    for (const step of [1, 2, 3]) await writeCheckpoint({ root, ...vectors(step) });
    const model = join(folder, 'step-00000003', 'model.safetensors');
    const bytes = await readFile(model);
    bytes[5_000_000]! ^= 1;
    await writeFile(model, bytes);
    await rm(join(folder, 'step-00000002', 'state.json'));
    const found = await newestValidCheckpoint(root);
    expect(found.checkpoint?.step).toBe(1);
    expect(found.passedOver.map(({ step, problems }) => [step, problems.map(({ file }) => file)])).toEqual([
      [3, ['model.safetensors']],
      [2, ['state.json']],
    ]);
    await expect(readCheckpoint(`${root}/step-00000003`)).rejects.toMatchObject({ code: 'checkpoint-invalid' });
    await expect(readCheckpoint(`${root}/step-00000009`)).rejects.toMatchObject({ code: 'not-found' });
    await s3.pause();
    await expect(newestValidCheckpoint(root)).rejects.toMatchObject({ code: 'storage' });
    await s3.restart();
  });

  test('the same checkpoint is not uploaded again, and another one of its step takes its place', async () => {
    const { root, folder } = newRoot();
    const model = join(folder, 'step-00000001', 'model.safetensors');
    const first = await writeCheckpoint({ root, ...vectors(1) });
    const { ino, mtimeMs } = await stat(model);
    expect(await writeCheckpoint({ root, ...vectors(1) })).toEqual(first);
    expect(await stat(model)).toMatchObject({ ino, mtimeMs });
    const second = await writeCheckpoint({ root, ...vectors(1, 2) });
    expect(second.checkpointHash).not.toBe(first.checkpointHash);
    expect(await verifyCheckpoint(second.dir)).toMatchObject({ valid: true, checkpointHash: second.checkpointHash });
  });

  test('retention keeps what its rules keep and leaves nothing of the others', async () => {
    const { root, folder } = newRoot();
    for (const step of [1, 2, 3, 4]) await writeCheckpoint({ root, ...vectors(step) });
    expect(await retainCheckpoints(root, { current: 4, keepLast: 2, keepBest: 1 })).toEqual([2, 1]);
    expect(await readdir(folder)).toEqual(['step-00000003', 'step-00000004']);
  });

  test('a server that refuses is a storage error, and earlier checkpoints stay', async () => {
    const { root } = newRoot();
    await writeCheckpoint({ root, ...vectors(1) });
    await s3.pause();
    await expect(writeCheckpoint({ root, ...vectors(2) })).rejects.toMatchObject({ code: 'storage' });
    await s3.restart();
    expect((await newestValidCheckpoint(root)).checkpoint?.step).toBe(1);
  });
});
