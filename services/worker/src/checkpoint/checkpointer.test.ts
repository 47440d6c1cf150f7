import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { type CheckpointPhase, listCheckpoints, newestValidCheckpoint, readCheckpoint } from '@maestro/checkpoint';
import { openTrainer, type Trainer } from '@maestro/engine';
import { buildTrainingModel, maeConfig, maskedInputs, parameterSpecs } from '@maestro/mae';
import { createLogger } from '@maestro/telemetry';
import { flatLayout } from '@maestro/tensors';
import {
  type Checkpointer,
  type CheckpointerOptions,
  createCheckpointer,
  type FailedCheckpoint,
  type TimedCheckpoint,
} from './checkpointer.ts';

const config = maeConfig({
  preset: 'mae_vit_tiny_patch4',
  imageSize: 16,
  embedDim: 48,
  depth: 1,
  decoderEmbedDim: 32,
  decoderDepth: 1,
  decoderNumHeads: 2,
});
const layout = flatLayout(parameterSpecs(config));
/** Room for a few checkpoints, of three vectors and small files each. */
const ROOM_BYTES = 5 * 3 * 4 * layout.length + (4 << 20);

let trainer: Trainer;
beforeAll(async () => {
  trainer = await openTrainer({
    trainingModel: buildTrainingModel(config),
    layout,
    inputs: maskedInputs(config),
    microBatch: 1,
    maxPartials: 1,
    treeDepth: 0,
  });
});
afterAll(() => trainer.close());

let root = '';
let nowMs = 0;
let written: TimedCheckpoint[] = [];
let failed: FailedCheckpoint[] = [];
let lines: { readonly level: string; readonly msg: string; readonly error?: { readonly message: string } }[] = [];
const opened: Checkpointer[] = [];

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'maestro-checkpointer-'));
  [nowMs, written, failed, lines] = [1_000_000, [], [], []];
  await trainer.load({ parameters: new Float32Array(layout.length).fill(0.5), step: 0 });
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((checkpointer) => checkpointer.close()));
  await rm(root, { recursive: true });
});

function open(options: Partial<CheckpointerOptions> = {}): Checkpointer {
  const checkpointer = createCheckpointer({
    root,
    keepLast: 2,
    everySteps: 1,
    layout,
    trainer,
    state: { job: 'job-x' },
    onWritten: (checkpoint) => written.push(checkpoint),
    onFailed: (failure) => failed.push(failure),
    logger: createLogger({ role: 'worker', destination: { write: (line) => lines.push(JSON.parse(line)) } }),
    now: () => nowMs,
    ...options,
  });
  opened.push(checkpointer);
  return checkpointer;
}

/** One training step on a gradient of our own: the parameters change. */
async function trainStep(step: number): Promise<void> {
  for (const { floats } of trainer.reduced.parts) floats.fill(step);
  await trainer.apply({ lr: 1e-3, step });
}

const steps = async (folder = root) => (await listCheckpoints(folder)).map(({ step }) => step);
const logged = (level: string) => lines.filter((line) => line.level === level).map(({ msg }) => msg);

/** A phase that a test holds a write at. */
function gate(name: CheckpointPhase['name']) {
  let release: () => void = () => undefined;
  let reach: () => void = () => undefined;
  const reached = new Promise<void>((resolve) => {
    reach = resolve;
  });
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const onPhase = async (phase: CheckpointPhase) => {
    if (phase.name !== name) return;
    reach();
    await released;
  };
  return { onPhase, reached, release };
}

test('a checkpoint holds the state of its step, though training goes on while it is written', async () => {
  const { onPhase, reached, release } = gate('write');
  const checkpointer = open({ onPhase });
  await trainStep(1);
  const { parameters } = await trainer.snapshot();
  const expected = parameters.slice();
  await checkpointer.stepDone(1, { loss: 0.25 });
  await reached;
  await trainStep(2);
  release();
  await checkpointer.close();
  expect(written).toMatchObject([{ step: 1, stallSeconds: expect.any(Number), writeSeconds: expect.any(Number) }]);
  expect(written[0]!.stallSeconds).toBeGreaterThan(0);
  const { state, parameters: read } = await readBack(written[0]!.dir);
  expect(read).toEqual(expected);
  expect(state).toEqual({ job: 'job-x', loss: 0.25, step: 1 });
});

async function readBack(dir: string) {
  const { parameters, state } = await readCheckpoint(dir);
  const flat = new Float32Array(layout.length);
  for (const { name, offset } of layout.tensors) flat.set(parameters.find((tensor) => tensor.name === name)!.data, offset);
  return { parameters: flat, state };
}

test('checkpoints come when they are due, by steps and by epochs, and stay by the rules', async () => {
  const checkpointer = open({ everySteps: 4, keepLast: 1, keepEveryEpochs: 2, stepsPerEpoch: 3, keepBest: 1, patienceMs: 20_000 });
  for (let step = 1; step <= 13; step++) await checkpointer.stepDone(step, { loss: step === 8 ? 0.1 : 1 });
  await checkpointer.close();
  expect(written.map(({ step }) => step)).toEqual([4, 6, 8, 12]);
  expect(await steps()).toEqual([6, 8, 12]);
});

test('a checkpoint that is due while the one before is written waits a little once, then is put off to a later step', async () => {
  const { onPhase, reached, release } = gate('fsync');
  const checkpointer = open({ everySteps: 2, onPhase, patienceMs: 20 });
  await checkpointer.stepDone(2);
  await reached;
  for (const step of [3, 4, 5, 6, 7]) await checkpointer.stepDone(step);
  expect(logged('warn')).toEqual(['checkpoint put off, the one before is still being written']);
  release();
  await checkpointer.write(7);
  expect(await steps()).toEqual([2, 7]);
  expect(failed).toEqual([]);
});

test('the last checkpoint is written before write returns, and only once', async () => {
  const checkpointer = open();
  await checkpointer.write(5, { loss: 1 });
  expect(await steps()).toEqual([5]);
  await checkpointer.write(5, { loss: 1 });
  expect(written).toHaveLength(1);
});

test('a folder that cannot be made fails the last write, and the background write without a throw', async () => {
  await writeFile(join(root, 'file'), '');
  const checkpointer = open({ root: join(root, 'file', 'checkpoints') });
  await checkpointer.stepDone(1);
  await expect(checkpointer.write(2)).rejects.toMatchObject({
    code: 'storage',
    message: expect.stringContaining('not a folder (ENOTDIR)'),
  });
  expect(failed).toMatchObject([{ step: 1, error: { code: 'storage' }, retryAtMs: nowMs + 5000 }]);
});

test('a trainer that has gone fails the checkpoint, not the step loop', async () => {
  const gone = new Error('the compute thread ended');
  const checkpointer = open({ trainer: { snapshot: () => Promise.reject(gone), prepareSnapshot: () => Promise.reject(gone) } });
  await checkpointer.begin(1);
  expect(failed).toMatchObject([{ step: 1, error: { code: 'internal', cause: gone } }]);
});

const cannotMount =
  process.getuid?.() === 0 && process.platform === 'linux' ? mountRefusal() : 'mounting a file system needs root on Linux';
/** Skips with the reason in the test's name. */
const testOnMount = (name: string, run: () => Promise<void>) =>
  cannotMount === undefined ? test(name, run) : test.skip(`${name} (skipped: ${cannotMount})`, run);

/** Why a tmpfs cannot be mounted here; undefined when it can. */
function mountRefusal(): string | undefined {
  const dir = execFileSync('mktemp', ['-d'], { encoding: 'utf8' }).trim();
  try {
    execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', dir], { stdio: 'pipe' });
    execFileSync('umount', [dir]);
    return undefined;
  } catch (error) {
    return `this machine refuses to mount: ${error}`;
  } finally {
    execFileSync('rmdir', [dir]);
  }
}

/** Runs `work` on a file system of its own with room for `sizeBytes`. */
async function onMount(sizeBytes: number, work: (disk: string, remount: (mode: 'ro' | 'rw') => void) => Promise<void>): Promise<void> {
  const disk = join(root, 'disk');
  await mkdir(disk);
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeBytes}`, 'tmpfs', disk]);
  try {
    await work(disk, (mode) => execFileSync('mount', ['-o', `remount,${mode}`, disk]));
  } finally {
    execFileSync('umount', [disk]);
  }
}

/** Takes all the room that is left. */
const fill = (disk: string) => writeFile(join(disk, 'ballast'), new Uint8Array(ROOM_BYTES)).catch(() => undefined);
const free = (disk: string) => rm(join(disk, 'ballast'));

/** Takes steps, one a millisecond, until `isDone`: what a training loop does meanwhile. Returns the next step. */
async function trainUntil(checkpointer: Checkpointer, first: number, isDone: () => boolean): Promise<number> {
  let step = first;
  const deadline = performance.now() + 20_000;
  while (!isDone()) {
    if (performance.now() > deadline) throw new Error(`not done after step ${step}: ${JSON.stringify(lines.at(-1))}`);
    nowMs += 1;
    await trainStep(step);
    await checkpointer.stepDone(step++);
  }
  return step;
}

testOnMount('a full disk stops nothing but the checkpoint: it says so, tries again ever later, and works when there is room', async () => {
  await onMount(ROOM_BYTES, async (disk) => {
    const checkpointer = open({ root: join(disk, 'checkpoints') });
    let step = await trainUntil(checkpointer, 1, () => written.length > 0);
    await fill(disk);
    step = await trainUntil(checkpointer, step, () => failed.length > 0);
    const newest = written.at(-1)!;
    expect(failed[0]!.error).toMatchObject({
      code: 'storage',
      message: expect.stringMatching(
        /(it needs [\d.]+ [kMGT]?B, [\d.]+ [kMGT]?B are free|the disk is full): free space, or keep fewer checkpoints/,
      ),
    });
    for (const failures of [2, 3, 4]) {
      const { retryAtMs } = failed.at(-1)!;
      nowMs = retryAtMs - 20;
      step = await trainUntil(checkpointer, step, () => nowMs === retryAtMs - 1);
      expect(failed).toHaveLength(failures - 1);
      step = await trainUntil(checkpointer, step, () => failed.length === failures);
    }
    const waits = failed.slice(1).map(({ retryAtMs }, index) => retryAtMs - failed[index]!.retryAtMs);
    expect(waits.map((ms) => Math.floor(ms / 10_000))).toEqual([1, 2, 4]);
    expect(logged('error')).toEqual(Array(4).fill('checkpoint failed, training goes on without it'));
    expect(written.at(-1)).toBe(newest);
    expect((await newestValidCheckpoint(join(disk, 'checkpoints'))).checkpoint?.checkpointHash).toBe(newest.checkpointHash);

    await free(disk);
    nowMs = failed.at(-1)!.retryAtMs;
    await trainUntil(checkpointer, step, () => written.at(-1) !== newest);
    await checkpointer.close();
    expect(logged('info')).toContain('checkpoints work again');
    expect((await newestValidCheckpoint(join(disk, 'checkpoints'))).checkpoint?.checkpointHash).toBe(written.at(-1)!.checkpointHash);
  });
});

testOnMount('a disk that fills up in the middle of a write leaves no half checkpoint, and the write is tried again', async () => {
  await onMount(ROOM_BYTES, async (disk) => {
    // Others take the room after the pre-flight has found it.
    const onPhase = async ({ name, target }: CheckpointPhase) => {
      if (name === 'write' && target === 'optimizer.safetensors' && failed.length === 0) await fill(disk);
    };
    const checkpointer = open({ root: join(disk, 'checkpoints'), onPhase });
    const step = await trainUntil(checkpointer, 1, () => failed.length > 0);
    expect(failed[0]!.error).toMatchObject({
      code: 'storage',
      message: expect.stringContaining('the disk is full: free space, or keep fewer checkpoints (ENOSPC)'),
    });
    expect(await readdir(join(disk, 'checkpoints'))).toEqual([]);
    await free(disk);
    nowMs = failed[0]!.retryAtMs;
    await trainUntil(checkpointer, step, () => written.length > 0);
    await checkpointer.close();
    expect(await steps(join(disk, 'checkpoints'))).toContain(written[0]!.step);
  });
});

testOnMount(
  'a read-only disk stops nothing but the checkpoint, old ones are still read, and the retry works once it is writable',
  async () => {
    await onMount(ROOM_BYTES, async (disk, remount) => {
      const checkpointer = open({ root: disk });
      await checkpointer.write(1);
      remount('ro');
      const step = await trainUntil(checkpointer, 2, () => failed.length > 0);
      expect(failed[0]!.error).toMatchObject({
        code: 'storage',
        message: expect.stringContaining('the file system is read-only: choose another folder, or mount it writable (EROFS)'),
      });
      expect((await newestValidCheckpoint(disk)).checkpoint?.step).toBe(1);
      await expect(checkpointer.write(step)).rejects.toMatchObject({ code: 'storage' });
      remount('rw');
      nowMs = failed[0]!.retryAtMs;
      await trainUntil(checkpointer, step, () => written.length > 1);
      await checkpointer.close();
      expect((await newestValidCheckpoint(disk)).checkpoint?.step).toBe(written.at(-1)!.step);
    });
  },
);
