import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { openDataset, reopenDataset } from './openDataset.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'maestro-idx-'));
});
afterEach(() => rm(dir, { recursive: true }));

/** An IDX file: header of `dims`, then the body. */
function idx(dims: readonly number[], body: Uint8Array): Uint8Array {
  const header = new DataView(new ArrayBuffer(4 + 4 * dims.length));
  header.setUint32(0, 0x800 + dims.length);
  dims.forEach((dim, axis) => {
    header.setUint32(4 + 4 * axis, dim);
  });
  return Buffer.concat([new Uint8Array(header.buffer), body]);
}
const pixels = Uint8Array.from({ length: 3 * 2 * 4 }, (_, i) => i * 7);
const images = idx([3, 2, 4], pixels);
const labels = idx([3], Uint8Array.of(1, 0, 4));

test('a directory with plain or gzipped files opens by split, with labels', async () => {
  await writeFile(join(dir, 'train-images-idx3-ubyte'), images);
  await writeFile(join(dir, 'train-labels-idx1-ubyte.gz'), gzipSync(labels));
  await writeFile(join(dir, 't10k-images-idx3-ubyte.gz'), gzipSync(idx([1, 2, 4], pixels.subarray(0, 8))));
  const train = await openDataset({ format: 'idx', path: dir });
  expect([train.length, train.channels, train.classes.length]).toEqual([3, 1, 5]);
  expect([train.name(2), train.label(0), train.label(2)]).toEqual(['train#2', 1, 4]);
  expect(await train.read(1)).toEqual({ kind: 'pixels', data: pixels.subarray(8, 16), width: 4, height: 2, channels: 1, isPadded: true });
  const held = await openDataset({ format: 'idx', path: dir, split: 'test' });
  expect([held.length, held.label(0), held.classes]).toEqual([1, undefined, []]);
});

test('the image file itself can be named', async () => {
  await writeFile(join(dir, 'mine-images-idx3-ubyte'), images);
  await writeFile(join(dir, 'mine-labels-idx1-ubyte'), labels);
  const mine = await openDataset({ format: 'idx', path: join(dir, 'mine-images-idx3-ubyte') });
  expect([mine.length, mine.label(2)]).toEqual([3, 4]);
});

test('a reopened data set shares the pixels', async () => {
  await writeFile(join(dir, 'train-images-idx3-ubyte'), images);
  const train = await openDataset({ format: 'idx', path: dir });
  const again = reopenDataset(train.source);
  expect(again.fingerprint).toBe(train.fingerprint);
  expect(await again.read(2)).toEqual(await train.read(2));
});

test('the fingerprint is of the content: compression and place do not matter, each byte does', async () => {
  const fingerprint = async (name: string, bytes: Uint8Array) => {
    await rm(dir, { recursive: true });
    dir = await mkdtemp(join(tmpdir(), 'maestro-idx-'));
    await writeFile(join(dir, name), bytes);
    return (await openDataset({ format: 'idx', path: dir })).fingerprint;
  };
  const plain = await fingerprint('train-images-idx3-ubyte', images);
  expect(plain).toMatch(/^[0-9a-f]{64}$/);
  expect(await fingerprint('train-images-idx3-ubyte.gz', gzipSync(images))).toBe(plain);
  expect(await fingerprint('train-images-idx3-ubyte', idx([3, 4, 2], pixels))).not.toBe(plain);
  expect(await fingerprint('train-images-idx3-ubyte', idx([3, 2, 4], pixels.with(23, 1)))).not.toBe(plain);
});

test.each([
  ['a file that is cut off', images.subarray(0, 30), 'asks for 40 bytes, found 30; is it cut off?'],
  [
    'a file of another kind',
    Buffer.from('\x89PNG....', 'latin1'),
    'expected it to start with 00 00 08 03 (unsigned bytes, 3-D), found 89 50 4e 47',
  ],
  ['an empty set', idx([0, 2, 4], new Uint8Array(0)), 'it has no pixels (dimensions 0 x 2 x 4)'],
  ['broken compression', Buffer.from([0x1f, 0x8b, 8, 0, 1]), 'cannot be read or unpacked'],
])('%s is refused with what was found', async (_, bytes, message) => {
  await writeFile(join(dir, 'train-images-idx3-ubyte'), bytes);
  await expect(openDataset({ format: 'idx', path: dir })).rejects.toMatchObject({
    code: 'data-invalid',
    message: expect.stringContaining(message),
  });
});

test('labels that do not match the images are refused', async () => {
  await writeFile(join(dir, 'train-images-idx3-ubyte'), images);
  await writeFile(join(dir, 'train-labels-idx1-ubyte'), idx([2], Uint8Array.of(0, 1)));
  await expect(openDataset({ format: 'idx', path: dir })).rejects.toThrow('2 labels for the 3 images of train-images-idx3-ubyte');
});

test('a missing directory or split is named', async () => {
  await expect(openDataset({ format: 'idx', path: join(dir, 'nowhere') })).rejects.toMatchObject({ code: 'not-found' });
  await expect(openDataset({ format: 'idx', path: dir, split: 'test' })).rejects.toThrow(
    'no t10k-images-idx3-ubyte or t10k-images-idx3-ubyte.gz in',
  );
});

test('a named pipe in the place of a file is refused and not waited for', async () => {
  const pipe = join(dir, 'train-images-idx3-ubyte');
  execFileSync('mkfifo', [pipe]);
  await expect(openDataset({ format: 'idx', path: pipe })).rejects.toThrow('it is a named pipe, expected a regular file');
  await expect(openDataset({ format: 'idx', path: dir })).rejects.toMatchObject({ code: 'not-found' });
});
