import { createHash } from 'node:crypto';
import { appendFile, cp, mkdir, mkdtemp, open, readdir, readFile, rename, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { MaestroError } from '@maestro/protocol';
import { encodeManifest } from './format/manifest.ts';
import {
  checkpointHash,
  describeFallback,
  flatTensors,
  newestValidCheckpoint,
  readCheckpoint,
  stepFolder,
  type TrainingTensors,
  verifyCheckpoint,
  writeCheckpoint,
} from './index.ts';

let root = '';
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'maestro-checkpoint-'));
});
afterEach(() => rm(root, { recursive: true }));

const layout = {
  tensors: [
    { name: 'norm.weight', shape: [3], offset: 16, size: 3 },
    { name: 'blocks.0.attn.qkv.weight', shape: [2, 4], offset: 0, size: 8 },
    { name: 'cls_token', shape: [1, 1, 2], offset: 32, size: 2 },
  ],
};
const LENGTH = 48;

type AdamWTensors = Required<Omit<TrainingTensors, 'replicas'>>;

/** The training state that `step` steps would leave, in shared memory as the engine gives it. */
function training(step: number): AdamWTensors {
  const vector = (salt: number) => {
    const values = new Float32Array(new SharedArrayBuffer(LENGTH * 4));
    for (let index = 0; index < LENGTH; index++) values[index] = Math.sin(step * 31 + index * salt);
    return flatTensors(layout, values);
  };
  return { parameters: vector(1), firstMoments: vector(2), secondMoments: vector(3) };
}

/** Memory of the same layout, to read into. */
function emptyTraining(): AdamWTensors {
  const vector = () => flatTensors(layout, new Float32Array(LENGTH));
  return { parameters: vector(), firstMoments: vector(), secondMoments: vector() };
}

const state = { epoch: 2, seed: 7, config: { preset: 'mae_vit_tiny_patch4' } };
const write = (step: number) => writeCheckpoint({ root, step, ...training(step), state });
const plain = ({ parameters, firstMoments, secondMoments = [] }: TrainingTensors) =>
  [parameters, firstMoments, secondMoments].map((list) =>
    Object.fromEntries(list.map(({ name, shape, data }) => [name, { shape, data: [...data] }])),
  );
const thrownBy = (promise: Promise<unknown>): Promise<MaestroError> =>
  promise.then(
    () => Promise.reject(new Error('nothing was thrown')),
    (error: MaestroError) => error,
  );

test('a checkpoint comes back as it was written: tensors, moments, state and hash', async () => {
  const written = await write(1234);
  expect(written.dir).toBe(join(root, 'step-00001234'));
  expect((await readdir(written.dir)).sort()).toEqual(['manifest.json', 'model.safetensors', 'optimizer.safetensors', 'state.json']);
  const read = await readCheckpoint(written.dir);
  expect(plain(read)).toEqual(plain(training(1234)));
  expect(read.state).toEqual({ ...state, step: 1234 });
  expect([read.step, read.checkpointHash]).toEqual([1234, written.checkpointHash]);
  expect(await verifyCheckpoint(written.dir)).toMatchObject({
    valid: true,
    problems: [],
    extraFiles: [],
    step: 1234,
    checkpointHash: read.checkpointHash,
  });
});

test('the checkpoint hash is SHA-256 over name, parameter and both moments in name order', async () => {
  const { parameters, firstMoments, secondMoments } = training(5);
  const hash = createHash('sha256');
  for (const name of ['blocks.0.attn.qkv.weight', 'cls_token', 'norm.weight']) {
    hash.update(name);
    for (const list of [parameters, firstMoments, secondMoments]) {
      const { data } = list.find((tensor) => tensor.name === name)!;
      const bytes = Buffer.alloc(data.length * 4);
      for (const [index, value] of data.entries()) bytes.writeFloatLE(value, index * 4);
      hash.update(bytes);
    }
  }
  expect(await checkpointHash({ parameters: [...parameters].reverse(), firstMoments, secondMoments })).toBe(hash.digest('hex'));
});

test('frozen parameters have no moments, one moment is a momentum buffer: on disk, in the hash, and when they come back', async () => {
  const { parameters, firstMoments } = training(7);
  const trained = (list: typeof parameters) => list.filter(({ name }) => name !== 'cls_token');
  const tensors = { parameters, firstMoments: trained(firstMoments) };
  const { dir } = await writeCheckpoint({ root, step: 7, ...tensors, state });
  const hash = createHash('sha256');
  for (const name of ['blocks.0.attn.qkv.weight', 'cls_token', 'norm.weight']) {
    hash.update(name);
    for (const list of [parameters, tensors.firstMoments]) hash.update(list.find((tensor) => tensor.name === name)?.data ?? '');
  }
  const expected = hash.digest('hex');
  const read = await readCheckpoint(dir);
  expect([read.checkpointHash, read.secondMoments]).toEqual([expected, undefined]);
  expect(plain(read)).toEqual(plain(tensors));
  expect(await verifyCheckpoint(dir)).toMatchObject({ valid: true, checkpointHash: expected });
  expect((await readFile(join(dir, 'optimizer.safetensors'))).includes('norm.weight.momentum_buffer')).toBe(true);

  const empty = emptyTraining();
  const into = { parameters: empty.parameters, firstMoments: trained(empty.firstMoments) };
  await readCheckpoint(dir, { into });
  expect(plain(into)).toEqual(plain(tensors));
  // Of another optimiser, or with another choice of what is trained.
  for (const other of [empty, { ...into, firstMoments: empty.firstMoments }]) {
    expect(await thrownBy(readCheckpoint(dir, { into: other }))).toMatchObject({ code: 'conflict' });
  }
});

test('the same training state gives the same bytes on disk', async () => {
  const [first, second] = [join(root, 'one'), join(root, 'two')];
  await writeCheckpoint({ root: first, step: 3, ...training(3), state });
  await writeCheckpoint({ root: second, step: 3, ...training(3), state });
  for (const file of await readdir(join(first, 'step-00000003'))) {
    expect(await readFile(join(first, 'step-00000003', file))).toEqual(await readFile(join(second, 'step-00000003', file)));
  }
});

test('a checkpoint is read straight into the memory of a model', async () => {
  const { dir } = await write(8);
  const into = emptyTraining();
  const read = await readCheckpoint(dir, { into });
  expect(plain(into)).toEqual(plain(training(8)));
  expect(read.parameters.map(({ data }) => data.buffer)).toEqual(into.parameters.map(() => into.parameters[0]!.data.buffer));
});

test.each<[string, (tensors: AdamWTensors) => AdamWTensors, string]>([
  [
    'lacks a parameter',
    (tensors) => pick(tensors, (list) => list.slice(1)),
    'model.safetensors holds norm.weight [3], which this model has not',
  ],
  [
    'has one more',
    (tensors) => pick(tensors, (list) => [...list, { name: 'z', shape: [1], data: new Float32Array(1) }]),
    'model.safetensors lacks z',
  ],
  [
    'has another shape',
    (tensors) => pick(tensors, ([first, ...rest]) => [{ ...first!, shape: [3, 1] }, ...rest]),
    'holds norm.weight [3], this model has [3, 1]',
  ],
])('a model that %s is told so', async (_, change, message) => {
  const { dir } = await write(2);
  const error = await thrownBy(readCheckpoint(dir, { into: change(emptyTraining()) }));
  expect(error).toMatchObject({ code: 'conflict', message: expect.stringContaining(`checkpoint ${dir} has a different model: `) });
  expect(error.message).toContain(message);
});

function pick(tensors: AdamWTensors, change: (list: AdamWTensors['parameters']) => AdamWTensors['parameters']): AdamWTensors {
  return {
    parameters: change(tensors.parameters),
    firstMoments: change(tensors.firstMoments),
    secondMoments: change(tensors.secondMoments),
  };
}

test('any changed byte of any file is found, by verifying and by reading', async () => {
  const { dir } = await write(40);
  for (const name of await readdir(dir)) {
    const path = join(dir, name);
    const original = await readFile(path);
    const file = await open(path, 'r+');
    // Every byte of the small files and of the headers' beginnings; a sample of the rest. The change walks through bits and values.
    for (let at = 0; at < original.length; at += at < 700 ? 1 : 5) {
      const changed = original[at]! ^ (at % 3 === 0 ? 1 << (at % 8) : 1 + (at % 255));
      await file.write(Uint8Array.of(changed), 0, 1, at);
      const report = await verifyCheckpoint(dir);
      const into = at % 2 === 0 ? { into: emptyTraining() } : {};
      const error = await thrownBy(readCheckpoint(dir, into));
      if (report.valid || error.code !== 'checkpoint-invalid') throw new Error(`${name} byte ${at}: ${report.valid} ${error.message}`);
      await file.write(original, at, 1, at);
    }
    await file.close();
  }
  expect((await verifyCheckpoint(dir)).valid).toBe(true);
});

const DAMAGE: [string, (dir: string) => Promise<unknown>, RegExp][] = [
  ['a truncated file', (dir) => truncate(join(dir, 'model.safetensors'), 100), /^model.safetensors has 100 bytes, the manifest says \d+$/],
  ['an empty file', (dir) => truncate(join(dir, 'state.json'), 0), /^state.json has 0 bytes, the manifest says \d+$/],
  [
    'a longer file',
    (dir) => appendFile(join(dir, 'optimizer.safetensors'), 'x'),
    /^optimizer.safetensors has \d+ bytes, the manifest says \d+$/,
  ],
  ['a missing file', (dir) => rm(join(dir, 'optimizer.safetensors')), /^optimizer.safetensors is missing$/],
  ['a missing manifest', (dir) => rm(join(dir, 'manifest.json')), /^manifest.json is missing, so the checkpoint was never finished$/],
  ['a manifest that is not JSON', (dir) => writeFile(join(dir, 'manifest.json'), '{'), /^manifest.json is not JSON: /],
  [
    'a manifest of a newer format',
    (dir) => writeFile(join(dir, 'manifest.json'), '{"version":2}'),
    /^manifest.json has version 2, but this build reads version 1; use a newer maestro$/,
  ],
  ['a manifest with other fields', (dir) => writeFile(join(dir, 'manifest.json'), '{"version":1}'), /^manifest.json is malformed: /],
  ['a manifest that was edited', edited, /^manifest.json was changed after it was written: its SHA-256 does not match$/],
  [
    'a folder where a file should be',
    async (dir) => {
      await rm(join(dir, 'state.json'));
      await mkdir(join(dir, 'state.json'));
    },
    /^state.json is missing$/,
  ],
  ['a renamed folder', (dir) => rename(dir, join(root, 'step-00000099')), /^manifest.json is of step 2, the folder's name says 99$/],
];

async function edited(dir: string): Promise<void> {
  const path = join(dir, 'manifest.json');
  await writeFile(path, (await readFile(path, 'utf8')).replace('"step": 2', '"step": 1'));
}

test.each(DAMAGE)('%s is named, and the newest valid checkpoint is taken instead', async (_, damage, message) => {
  const valid = await write(1);
  const { dir } = await write(2);
  await damage(dir);
  const newest = await newestValidCheckpoint(root);
  expect(newest.checkpoint).toEqual({ step: 1, dir: valid.dir, checkpointHash: valid.checkpointHash, sizeBytes: expect.any(Number) });
  const [passedOver] = newest.passedOver;
  const { step, problems } = passedOver!;
  expect(problems.map(({ file, message }) => `${file} ${message}`)).toEqual([expect.stringMatching(message)]);
  const found = problems.map(({ file, message }) => `${file} ${message}`).join('; ');
  expect(describeFallback(newest)).toBe(`${stepFolder(step)}: ${found}; falling back to step-00000001`);
  const error = await thrownBy(readCheckpoint(passedOver!.dir));
  expect(error).toMatchObject({ code: 'checkpoint-invalid', details: { dir: passedOver!.dir, problems } });
  expect(error.message).toBe(`checkpoint ${passedOver!.dir} is invalid: ${found}`);
});

test('several damaged checkpoints are passed over, each with what is wrong, and nothing older than the one taken is read', async () => {
  for (const step of [1, 2, 3, 4]) await write(step);
  const folder = (step: number) => join(root, stepFolder(step));
  await truncate(join(folder(4), 'optimizer.safetensors'), 100);
  await rm(join(folder(3), 'manifest.json'));
  await rm(join(folder(1), 'manifest.json'));
  const newest = await newestValidCheckpoint(root);
  expect(newest.checkpoint?.step).toBe(2);
  expect(newest.passedOver.map(({ step }) => step)).toEqual([4, 3]);
  const { size } = await stat(join(folder(2), 'optimizer.safetensors'));
  expect(describeFallback(newest)).toBe(
    `step-00000004: optimizer.safetensors has 100 bytes, the manifest says ${size}; step-00000003: manifest.json is missing, so the ` +
      'checkpoint was never finished; falling back to step-00000002',
  );
});

test('when no checkpoint is valid, the finding says so; when the newest is, there is nothing to say', async () => {
  const { dir } = await write(2);
  expect(describeFallback(await newestValidCheckpoint(root))).toBeUndefined();
  await rm(join(dir, 'state.json'));
  const newest = await newestValidCheckpoint(root);
  expect(newest.checkpoint).toBeUndefined();
  expect(describeFallback(newest)).toBe('step-00000002: state.json is missing; no valid checkpoint is left');
});

test('a search can begin below a step whose checkpoint could not be used', async () => {
  for (const step of [1, 2, 3]) await write(step);
  expect((await newestValidCheckpoint(root, { before: 3 })).checkpoint?.step).toBe(2);
  expect(await newestValidCheckpoint(root, { before: 1 })).toEqual({ checkpoint: undefined, passedOver: [] });
});

test('all problems are reported at once', async () => {
  const { dir } = await write(2);
  await rm(join(dir, 'state.json'));
  await truncate(join(dir, 'model.safetensors'), 5);
  expect((await verifyCheckpoint(dir)).problems).toMatchObject([
    { file: 'model.safetensors' },
    { file: 'state.json', message: 'is missing' },
  ]);
});

test('a file that the manifest does not know is reported and does no harm', async () => {
  const { dir } = await write(2);
  await writeFile(join(dir, 'notes.txt'), 'mine');
  expect(await verifyCheckpoint(dir)).toMatchObject({ valid: true, extraFiles: ['notes.txt'] });
  expect((await readCheckpoint(dir)).step).toBe(2);
});

test('tensors that do not have the hash that the manifest promises are refused, though every file has its digest', async () => {
  const { dir } = await write(2);
  const { manifest } = await manifestOf(dir);
  await writeFile(join(dir, 'manifest.json'), encodeManifest({ ...manifest, checkpointHash: 'ab'.repeat(32) }));
  const message = /^has the checkpoint hash (ab){32}, the tensors have [0-9a-f]{64}$/;
  expect((await verifyCheckpoint(dir)).problems).toEqual([{ file: 'manifest.json', message: expect.stringMatching(message) }]);
  expect(await thrownBy(readCheckpoint(dir))).toMatchObject({
    code: 'checkpoint-invalid',
    details: { problems: [{ message: expect.stringMatching(message) }] },
  });
});

test.each<[string, (list: AdamWTensors['parameters']) => AdamWTensors['parameters'], string]>([
  [
    'has another shape',
    ([first, ...rest]) => [{ ...first!, shape: [3, 1] }, ...rest],
    'does not fit the model: parameter norm.weight [3] needs moments of the same name and shape, found norm.weight [3, 1]',
  ],
  ['is not trained', (list) => list.slice(1), 'has the checkpoint hash'],
])('moments of a model in which a tensor %s are refused, though every file has its digest', async (_, change, told) => {
  const { dir } = await write(2);
  const other = await writeCheckpoint({ root: join(root, 'other'), step: 2, state, ...pick(training(2), change) });
  await cp(join(other.dir, 'optimizer.safetensors'), join(dir, 'optimizer.safetensors'));
  const [mine, theirs] = [await manifestOf(dir), await manifestOf(other.dir)];
  const files = { ...mine.manifest.files, 'optimizer.safetensors': theirs.manifest.files['optimizer.safetensors']! };
  await writeFile(join(dir, 'manifest.json'), encodeManifest({ ...mine.manifest, files }));
  const message = expect.stringContaining(told);
  expect((await verifyCheckpoint(dir)).problems).toEqual([{ file: expect.any(String), message }]);
  expect((await thrownBy(readCheckpoint(dir))).message).toEqual(message);
});

async function manifestOf(dir: string): Promise<{ manifest: Parameters<typeof encodeManifest>[0] }> {
  return { manifest: JSON.parse(await readFile(join(dir, 'manifest.json'), 'utf8')) };
}

test('a folder that is not there is not found', async () => {
  for (const read of [verifyCheckpoint, readCheckpoint]) {
    expect(await thrownBy(read(join(root, 'step-00000007')))).toMatchObject({
      code: 'not-found',
      message: expect.stringContaining('no such folder'),
    });
  }
});

test('a read or a verification that is cancelled ends with the reason', async () => {
  const { dir } = await write(2);
  const signal = AbortSignal.abort(new Error('enough'));
  await expect(readCheckpoint(dir, { signal })).rejects.toThrow('enough');
  await expect(verifyCheckpoint(dir, { signal })).rejects.toThrow('enough');
  await expect(newestValidCheckpoint(root, { signal })).rejects.toThrow('enough');
});

test('what replicas that train apart have beside comes back, is part of the hash, and is not read with the model alone', async () => {
  const replicas = (value: number) => [
    { name: 'outer.cls_token.momentum', shape: [2], data: Float32Array.of(value, 2) },
    { name: 'replica1.cls_token.exp_avg', shape: [1, 2], data: Float32Array.of(3, 4) },
  ];
  const { dir, checkpointHash: hash } = await writeCheckpoint({ root, step: 5, ...training(5), replicas: replicas(1), state });
  expect(await verifyCheckpoint(dir)).toMatchObject({ valid: true, checkpointHash: hash });
  const changed = await checkpointHash({ ...training(5), replicas: replicas(1.5) });
  expect(new Set([hash, changed, await checkpointHash(training(5))]).size).toBe(3);

  const into = { ...emptyTraining(), replicas: replicas(0) };
  expect((await readCheckpoint(dir, { into })).checkpointHash).toBe(hash);
  expect(into.replicas[0]!.data).toEqual(Float32Array.of(1, 2));
  const model = emptyTraining();
  expect((await readCheckpoint(dir, { into: model })).replicas!.map(({ name }) => name)).toEqual(replicas(1).map(({ name }) => name));
  expect(plain(model)).toEqual(plain(training(5)));

  const single = await write(6);
  expect((await readCheckpoint(single.dir)).replicas).toBeUndefined();
  expect(await thrownBy(readCheckpoint(single.dir, { into }))).toMatchObject({ code: 'conflict' });

  const file = join(dir, 'replicas.safetensors');
  const bytes = await readFile(file);
  bytes[bytes.length - 1]! ^= 1;
  await writeFile(file, bytes);
  expect((await thrownBy(readCheckpoint(dir))).message).toContain('replicas.safetensors');
  expect((await verifyCheckpoint(dir)).valid).toBe(false);
});
