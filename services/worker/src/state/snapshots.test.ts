import { mkdtemp, open as openFile, readdir, readlink, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from '@jest/globals';
import type { StateRange } from '@maestro/engine';
import { ADAMW_DEFAULTS, stateVectors } from '@maestro/optim';
import type { ElementRange, StateShard } from '@maestro/protocol';
import { createLogger } from '@maestro/telemetry';
import fc from 'fast-check';
import { createFaults } from '../process/faults.ts';
import { createPartFile, PIECE_FLOATS, piecesOf } from './partFile.ts';
import { type FetchPieces, openSnapshots, type SnapshotOptions } from './snapshots.ts';

const faults = createFaults(undefined);
const never = new AbortController().signal;
const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const VECTORS = stateVectors(ADAMW_DEFAULTS);

async function scratch(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'maestro-snapshots-'));
  closers.push(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

/** Element i of vector v after a step. */
const valueAt = (step: number, vector: number, i: number): number => (i % 9973) + vector * 10_000 + step * 100_000;

/** Stands for the compute thread: what it holds is a function of the step that it is at. */
function stateAt(now: { step: number }, before: () => Promise<void> = async () => undefined) {
  return {
    async read({ vector, range, values }: StateRange): Promise<void> {
      await before();
      for (let i = 0; i < range.length; i++) values[i] = valueAt(now.step, VECTORS.indexOf(vector), range.first + i);
    },
  };
}

async function open(options: Partial<SnapshotOptions> = {}) {
  const dir = options.dir ?? (await scratch());
  const lines: { level: string; msg: string }[] = [];
  const logger = createLogger({ role: 'worker', destination: { write: (line: string) => void lines.push(JSON.parse(line)) } });
  const now = { step: 0 };
  const snapshots = openSnapshots({ dir, trainer: stateAt(now), vectors: VECTORS, faults, onLost: () => undefined, logger, ...options });
  closers.push(() => snapshots.close());
  /** Takes a snapshot as a member does. */
  const take = async (step: number, chunk: ElementRange, { isCopied = true } = {}): Promise<void> => {
    now.step = step;
    snapshots.begin(step, chunk, { isCopied });
    await snapshots.captured();
  };
  const told = (msg: string): number => lines.filter((line) => line.msg.startsWith(msg)).length;
  return { dir, snapshots, now, take, told };
}

const expectRange = async ({ snapshots }: Awaited<ReturnType<typeof open>>, step: number, range: ElementRange): Promise<void> => {
  for (const vector of [0, 1, 2]) {
    const values = new Float32Array(range.length);
    await snapshots.read(step, { vector, ...range }, values);
    expect(values.every((value, i) => value === valueAt(step, vector, range.first + i))).toBe(true);
  }
};

/** A neighbour that has what a job has after `step`. */
const fetchOf =
  (step: number): FetchPieces =>
  async (pieces, into) => {
    for (const [p, { vector, first, length }] of pieces.entries()) {
      for (let i = 0; i < length; i++) into[p]![i] = valueAt(step, vector, first + i);
    }
  };
const shard = (step: number, { first, length }: ElementRange): StateShard => ({ step, first, length, isWhole: false });

/** Neither begins nor ends with a piece. */
const CHUNK = { first: 4096, length: PIECE_FLOATS + 5000 };
const BEFORE = { first: 0, length: 4096 };

test('a part is on disk as it was at its step, whatever range of it is asked for', async () => {
  const member = await open();
  await member.take(8, CHUNK);
  expect(member.snapshots.offers()).toEqual([{ ...shard(8, CHUNK), isStored: true }]);
  await expectRange(member, 8, CHUNK);
  await expectRange(member, 8, { first: CHUNK.first + PIECE_FLOATS - 3, length: 7 });
  expect(member.snapshots.has(8, { first: 4095, length: 2 })).toBe(false);
  expect(member.snapshots.has(7, CHUNK)).toBe(false);
});

test('a file has no name, so that the end of the process, however it comes, leaves nothing behind', async () => {
  const member = await open();
  await member.take(8, CHUNK);
  expect(await readdir(member.dir)).toEqual([]);
});

test('a copy is offered when all of it has come, and one that breaks off is not', async () => {
  const member = await open();
  const broken: FetchPieces = async (pieces, into) => {
    if (pieces.some(({ vector }) => vector === 2)) throw new Error('the disk went away');
    for (const values of into) values.fill(1);
  };
  await member.snapshots.copy(shard(8, { first: 0, length: 20 * PIECE_FLOATS }), { fetch: broken, signal: never });
  expect(member.snapshots.offers()).toEqual([]);
  await member.snapshots.copy(shard(8, BEFORE), { fetch: fetchOf(8), signal: never });
  expect(member.snapshots.offers()).toEqual([{ ...shard(8, BEFORE), isStored: true }]);
  await expectRange(member, 8, BEFORE);
});

test('two complete windows are kept, and three only until the newest has its copy', async () => {
  const member = await open();
  const steps = () => [...new Set(member.snapshots.offers().map(({ step }) => step))];
  for (const step of [4, 8, 12]) {
    await member.take(step, CHUNK);
    expect(steps().slice(-3)).toEqual([step - 8, step - 4, step].filter((each) => each > 0));
    await member.snapshots.copy(shard(step, BEFORE), { fetch: fetchOf(step), signal: never });
    expect(steps()).toEqual([step - 4, step].filter((each) => each > 0));
  }
  await member.take(16, CHUNK, { isCopied: false });
  expect(steps()).toEqual([12, 16]);
});

test('a job that goes back gives up what is of later steps, and takes snapshots of these steps again', async () => {
  const member = await open();
  await member.take(8, CHUNK);
  await member.take(12, CHUNK);
  await member.snapshots.rewind(8);
  expect(member.snapshots.offers().map(({ step }) => step)).toEqual([8]);
  const settled = member.snapshots.settled(12, never).then(() => member.snapshots.has(12, BEFORE));
  await member.take(12, BEFORE);
  expect(await settled).toBe(true);
});

test('a byte that changes on disk is found: the part is given up, and whoever told others of it is told', async () => {
  let lost = 0;
  const dir = await scratch();
  const file = await createPartFile(dir, CHUNK, VECTORS.length);
  closers.push(() => file.close());
  for (const { vector, ...range } of piecesOf(CHUNK, VECTORS.length))
    await file.write({ vector, ...range }, new Float32Array(range.length).fill(vector));
  await damage(file.fd, 4 * (CHUNK.length + 10));
  const values = new Float32Array(100);
  await file.read({ vector: 0, first: CHUNK.first, length: 100 }, values);
  await expect(file.read({ vector: 1, first: CHUNK.first, length: 100 }, values)).rejects.toMatchObject({ code: 'checkpoint-invalid' });

  const member = await open({ onLost: () => lost++ });
  const before = new Set(await openFiles(member.dir));
  await member.take(8, CHUNK);
  const [own] = (await openFiles(member.dir)).filter((fd) => !before.has(fd));
  await damage(own!, 100);
  const read = member.snapshots.read(8, { vector: 0, first: CHUNK.first, length: 50 }, new Float32Array(50));
  await expect(read).rejects.toMatchObject({ code: 'checkpoint-invalid', message: expect.stringContaining('damaged on disk') });
  expect([lost, member.snapshots.offers(), member.told('snapshot cannot be read')]).toEqual([1, [], 1]);
});

test('a disk that refuses is told of once, stops nothing, and is tried again at the next window', async () => {
  const dir = join(await scratch(), 'in-the-way');
  await writeFile(dir, 'a file where the folder should be');
  const member = await open({ dir });
  await member.take(8, CHUNK);
  await member.take(12, CHUNK);
  expect([member.snapshots.offers(), member.told('snapshot failed')]).toEqual([[], 1]);
  await rm(dir);
  await member.take(16, CHUNK);
  expect(member.told('snapshots work again')).toBe(1);
  await expectRange(member, 16, CHUNK);
});

test('a disk slower than a step is not waited for longer than allowed; nothing of the next step gets into the part', async () => {
  const now = { step: 8 };
  let release: () => void = () => undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const member = await open({ trainer: stateAt(now, () => held), patienceMs: 50 });
  await member.take(8, CHUNK);
  // It is given up once, and no further step waits for it; nor does the next window.
  const startedMs = performance.now();
  await member.snapshots.captured();
  expect(performance.now() - startedMs).toBeLessThan(50);
  await member.take(12, CHUNK);
  await member.snapshots.settled(12, never);
  now.step = 9;
  release();
  await member.snapshots.settled(8, never);
  expect([member.snapshots.offers(), member.told('snapshot failed')]).toEqual([[], 1]);
});

test('pieces of a part cover its three vectors once, each at most a piece long', () => {
  fc.assert(
    fc.property(fc.nat(3 * PIECE_FLOATS), fc.nat(3 * PIECE_FLOATS), (first, length) => {
      const pieces = piecesOf({ first, length }, VECTORS.length);
      for (const vector of [0, 1, 2]) {
        const own = pieces.filter((piece) => piece.vector === vector);
        let next = first;
        for (const piece of own) {
          expect(piece.first).toBe(next);
          expect(piece.length).toBeLessThanOrEqual(PIECE_FLOATS);
          next += piece.length;
        }
        expect(next).toBe(first + length);
      }
    }),
  );
});

/** Flips a bit of an open file that has no name. */
async function damage(fd: number, at: number): Promise<void> {
  const file = await openFile(`/proc/self/fd/${fd}`, 'r+');
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, at);
  byte[0]! ^= 1;
  await file.write(byte, 0, 1, at);
  await file.close();
}

/** Descriptors of this process's open files in a folder, named or not. */
async function openFiles(dir: string): Promise<number[]> {
  const fds = await readdir('/proc/self/fd');
  const links = await Promise.all(fds.map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')));
  return fds.filter((_, i) => links[i]!.startsWith(dir)).map(Number);
}
