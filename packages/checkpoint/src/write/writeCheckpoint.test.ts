import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rename, rm, utimes } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { processStart } from '@maestro/protocol';
import { type CheckpointPhase, listCheckpoints, newestValidCheckpoint, verifyCheckpoint, writeCheckpoint } from '../index.ts';
import { requireSpace } from './diskSpace.ts';
import { folderStep, parsePassingFolder, stepFolder } from './folderNames.ts';
import { cleanLeftovers, isAbandoned } from './leftovers.ts';

let root = '';
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'maestro-checkpoint-'));
});
afterEach(() => rm(root, { recursive: true }));

function options(step: number, scale = 1) {
  const list = (value: number) => [{ name: 'w', shape: [4], data: new Float32Array(4).fill(value * scale + step) }];
  return { root, step, parameters: list(1), firstMoments: list(2), secondMoments: list(3), state: {} };
}

/** Every phase of a write, in order, as `name target`. */
const PHASES = [
  'write model.safetensors',
  'fsync model.safetensors',
  'write optimizer.safetensors',
  'fsync optimizer.safetensors',
  'write state.json',
  'fsync state.json',
  'write manifest.json',
  'fsync manifest.json',
  'fsync step-00000002',
  'rename step-00000002',
  'fsync ROOT',
];
const describePhase = ({ name, target }: CheckpointPhase) => `${name} ${target === root ? 'ROOT' : target}`;
const steps = async () => (await listCheckpoints(root)).map(({ step }) => step);

test('the manifest is written last, and the folder appears after everything is flushed', async () => {
  const phases: string[] = [];
  await writeCheckpoint({
    ...options(2),
    onPhase: async (phase) => {
      phases.push(describePhase(phase));
      expect(await steps()).toEqual(describePhase(phase) === 'fsync ROOT' ? [2] : []);
    },
  });
  expect(phases).toEqual(PHASES);
});

/** Lets a child process write the checkpoint of step 2, which kills itself the `nth` time that it comes to `phase`. */
async function killedAt(phase: string, { nth = 1 }: { readonly nth?: number } = {}): Promise<void> {
  const script = `import { writeCheckpoint } from '${new URL('../index.js', import.meta.url).href}';
    const list = (value) => [{ name: 'w', shape: [4], data: new Float32Array(4).fill(value) }];
    const root = process.argv[1];
    let left = ${nth};
    await writeCheckpoint({ root, step: 2, parameters: list(1), firstMoments: list(2), secondMoments: list(3), state: {},
      onPhase: ({ name, target }) => {
        const phase = \`\${name} \${target === root ? 'ROOT' : target}\`;
        if (phase === '${phase}' && --left === 0) process.kill(process.pid, 'SIGKILL');
      } });`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, root], { stdio: 'inherit' });
  const signal = await new Promise((resolve) => child.on('close', (_, name) => resolve(name)));
  expect(signal).toBe('SIGKILL');
}

const foldersOf = async (state: string) => (await readdir(root)).filter((name) => name.startsWith(`.${state}`)).length;

test.each(PHASES)(
  'after a kill at "%s" the search gives the newest whole checkpoint, passes over none and clears the rest',
  async (phase) => {
    await writeCheckpoint(options(1));
    await killedAt(phase);
    const isThere = phase === 'fsync ROOT';
    expect(await foldersOf('writing')).toBe(isThere ? 0 : 1);
    expect(await steps()).toEqual(isThere ? [1, 2] : [1]);
    expect(await newestValidCheckpoint(root)).toMatchObject({ checkpoint: { step: isThere ? 2 : 1 }, passedOver: [] });
    expect((await readdir(root)).sort()).toEqual(isThere ? ['step-00000001', 'step-00000002'] : ['step-00000001']);
  },
);

test('the write after a kill clears what was left', async () => {
  await writeCheckpoint(options(1));
  await killedAt('fsync manifest.json');
  expect((await verifyCheckpoint(join(root, stepFolder(1)))).valid).toBe(true);
  await writeCheckpoint(options(3));
  expect((await readdir(root)).sort()).toEqual(['step-00000001', 'step-00000003']);
});

test.each([1, 2])('a kill at rename %p of a write that takes the place of an older checkpoint leaves that one to be found', async (nth) => {
  await writeCheckpoint(options(1));
  const { checkpointHash } = await writeCheckpoint(options(2, 10));
  await killedAt('rename step-00000002', { nth });
  expect(await foldersOf('replaced')).toBe(nth - 1);
  expect(await newestValidCheckpoint(root)).toMatchObject({ checkpoint: { step: 2, checkpointHash }, passedOver: [] });
  expect((await readdir(root)).sort()).toEqual(['step-00000001', 'step-00000002']);
});

test.each([
  ['ENOSPC', 'the disk is full: free space, or keep fewer checkpoints'],
  ['EROFS', 'the file system is read-only: choose another folder, or mount it writable'],
  ['EACCES', "permission denied: check the folder's owner and mode"],
  ['EIO', "the device reports an input/output error: check the disk and the kernel's log"],
  ['ESTALE', 'stale handle'],
])('a file system that answers %s at any phase gives a storage error, and earlier checkpoints stay', async (code, remedy) => {
  await writeCheckpoint(options(1));
  for (const phase of PHASES) {
    const failure = Object.assign(new Error('stale handle'), { code });
    const write = writeCheckpoint({
      ...options(2),
      onPhase: (reached) => {
        if (describePhase(reached) === phase) throw failure;
      },
    });
    await expect(write).rejects.toMatchObject({
      code: 'storage',
      message: `writing the checkpoint of step 2 in ${root}: ${remedy} (${code})`,
      cause: failure,
    });
    expect((await verifyCheckpoint(join(root, stepFolder(1)))).valid).toBe(true);
    expect((await readdir(root)).filter((name) => name.startsWith('.'))).toEqual([]);
    await rm(join(root, stepFolder(2)), { recursive: true, force: true });
  }
});

test('a root that cannot be made is a storage error that says why', async () => {
  await expect(writeCheckpoint({ ...options(1), root: '/dev/null/checkpoints' })).rejects.toMatchObject({
    code: 'storage',
    message: 'writing the checkpoint of step 1 in /dev/null/checkpoints: a part of the path is a file, not a folder (ENOTDIR)',
  });
});

test('too little space is found before anything is written, with both figures', async () => {
  await requireSpace(root, 1, 'writing');
  await expect(requireSpace(root, Number.MAX_SAFE_INTEGER / 2, 'writing the checkpoint')).rejects.toMatchObject({
    code: 'storage',
    message: expect.stringMatching(
      /^writing the checkpoint: it needs 4503\.6 TB, [\d.]+ [kMGT]B are free: free space, or keep fewer checkpoints$/,
    ),
  });
});

test('a write that is cancelled ends with the reason and leaves nothing', async () => {
  const controller = new AbortController();
  const write = writeCheckpoint({
    ...options(2),
    signal: controller.signal,
    onPhase: ({ target }) => {
      if (target === 'optimizer.safetensors') controller.abort(new Error('job cancelled'));
    },
  });
  await expect(write).rejects.toThrow('job cancelled');
  expect(await readdir(root)).toEqual([]);
});

test('a checkpoint of a step that has one takes its place', async () => {
  const first = await writeCheckpoint(options(2));
  const second = await writeCheckpoint(options(2, 10));
  expect(second.checkpointHash).not.toBe(first.checkpointHash);
  expect(await verifyCheckpoint(second.dir)).toMatchObject({ valid: true, checkpointHash: second.checkpointHash });
  expect(await readdir(root)).toEqual(['step-00000002']);
});

test.each([-1, 0.5, Number.NaN])('%p is not a step', async (step) => {
  await expect(writeCheckpoint(options(step))).rejects.toMatchObject({ code: 'invalid-argument' });
});

test('moments that do not fit the parameters are refused, and nothing is made', async () => {
  const [moment] = options(1).firstMoments;
  for (const firstMoments of [[], [{ ...moment!, name: 'x' }], [{ ...moment!, shape: [2, 2] }]]) {
    await expect(writeCheckpoint({ ...options(1), firstMoments })).rejects.toThrow(
      'parameter w [4] needs moments of the same name and shape, found',
    );
  }
  const { parameters, firstMoments, secondMoments } = options(1);
  const extra = { ...moment!, name: 'x' };
  await expect(writeCheckpoint({ ...options(1), firstMoments: [...firstMoments, extra], secondMoments, parameters })).rejects.toThrow(
    'moments x have no parameter',
  );
  expect(await readdir(root)).toEqual([]);
});

test('checkpoints are listed by step, and what is not one is not listed', async () => {
  for (const step of [30, 4, 100_000_000]) await writeCheckpoint(options(step));
  for (const name of ['step-5', 'step-000000005', 'step-0000000x', 'notes']) await mkdir(join(root, name));
  expect(await steps()).toEqual([4, 30, 100_000_000]);
  expect(await listCheckpoints(join(root, 'nowhere'))).toEqual([]);
  expect(await newestValidCheckpoint(join(root, 'nowhere'))).toEqual({ checkpoint: undefined, passedOver: [] });
});

test('a folder is named after its step, and only names so made are read', () => {
  expect(stepFolder(1234)).toBe('step-00001234');
  for (const step of [0, 1234, 99_999_999, 1_000_000_000]) expect(folderStep(stepFolder(step))).toBe(step);
  for (const name of ['step-1234', 'step-000001234', 'xstep-00001234', 'step-00001234x', '.writing'])
    expect(folderStep(name)).toBeUndefined();
});

const gone = `999999999-0-${hostname()}`;

test('what dead processes left is cleared, a checkpoint moved aside for none comes back, and a living process is left alone', async () => {
  await writeCheckpoint(options(1));
  const { dir } = await writeCheckpoint(options(2));
  await rename(dir, join(root, `.replaced-step-00000002-${gone}`));
  await mkdir(join(root, `.replaced-step-00000001-${gone}`));
  await mkdir(join(root, `.removing-step-00000009-${gone}`));
  await mkdir(join(root, `.writing-step-00000003-${gone}`));
  const parent = `${process.ppid}.${processStart(process.ppid)}`;
  // The id of the third is in use, by another process than the one that wrote.
  await mkdir(join(root, `.writing-step-00000003-${process.ppid}.0123456789ab-0-${hostname()}`));
  const kept = [
    `.writing-step-00000004-${parent}-0-${hostname()}`,
    `.writing-step-00000007-${process.ppid}-0-${hostname()}`,
    '.writing-step-00000005-1-0-elsewhere',
    '.writing-by-hand',
  ];
  for (const name of kept) await mkdir(join(root, name));
  const old = `.writing-step-00000006-1-0-elsewhere`;
  await mkdir(join(root, old));
  await utimes(join(root, old), 0, 0);

  const cleared = await cleanLeftovers(root);
  expect(cleared.length).toBe(6);
  expect((await readdir(root)).sort()).toEqual([...kept, 'step-00000001', 'step-00000002'].sort());
  expect((await verifyCheckpoint(dir)).valid).toBe(true);
});

test('a folder is abandoned when its process here is gone, or after an hour', () => {
  const here = { host: 'a', isRunning: ({ pid }: { readonly pid: number }) => pid === 1 };
  const folder = (name: string) => parsePassingFolder(name)!;
  const minutes = (count: number) => count * 60_000;
  expect(isAbandoned(folder('.writing-step-00000001-1-0-a'), minutes(59), here)).toBe(false);
  expect(isAbandoned(folder('.writing-step-00000001-2-0-a'), 0, here)).toBe(true);
  expect(isAbandoned(folder('.writing-step-00000001-2-0-b-c'), minutes(59), here)).toBe(false);
  expect(isAbandoned(folder('.writing-step-00000001-2-0-b-c'), minutes(61), here)).toBe(true);
  expect(parsePassingFolder('.writing-step-1-2-0-b')).toBeUndefined();
});
