import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { DataSpec } from '@maestro/protocol';
import { examineData } from './examineData.ts';

let dir: string;
const at = (...names: string[]): string => join(dir, ...names);
const look = (format: DataSpec['format'], path: string, options = {}) => examineData({ format, path, split: 'train' } as DataSpec, options);

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'maestro-examine-'));
  for (const folder of ['images/cats', 'empty', 'plain', 'zipped', 'packed']) await mkdir(at(folder), { recursive: true });
  for (const name of ['cats/a.jpg', 'cats/b.PNG', 'c.webp', 'notes.txt', '.hidden.jpg']) await writeFile(at('images', name), '');
  await symlink('c.webp', at('images', 'linked.webp'));
  const idx = Buffer.concat([Buffer.from([0, 0, 8, 3, 0, 0, 1, 44, 0, 0, 0, 28, 0, 0, 0, 28]), Buffer.alloc(300 * 784, 7)]);
  await writeFile(at('plain', 'train-images-idx3-ubyte'), idx);
  await writeFile(at('zipped', 'train-images-idx3-ubyte.gz'), gzipSync(idx));
  await writeFile(at('packed', 'index.json'), '{}');
  execFileSync('mkfifo', [at('pipe')]);
});

afterAll(() => rm(dir, { recursive: true, force: true }));

test('samples are counted by names and headers, no further than is asked for', async () => {
  expect(await look('image-folder', at('images'))).toEqual({ kind: 'seen', samples: 4, isAll: true });
  expect(await look('image-folder', at('images'), { enough: 2 })).toEqual({ kind: 'seen', samples: 2, isAll: false });
  for (const folder of ['plain', 'zipped']) expect(await look('idx', at(folder))).toEqual({ kind: 'seen', samples: 300, isAll: true });
  expect(await look('idx', at('plain', 'train-images-idx3-ubyte'))).toMatchObject({ samples: 300 });
});

test('what is not there is told with what may have been meant', async () => {
  const absent = (reason: string) => ({ kind: 'absent', reason: expect.stringContaining(reason) });
  expect(await look('image-folder', at('imagse', 'cats'))).toEqual(
    absent(`there is nothing at ${at('imagse', 'cats')}; did you mean ${at('images')}?`),
  );
  expect(await look('image-folder', 'pictures')).toEqual(absent(`there is nothing at pictures in ${process.cwd()}; write the whole path`));
  expect(await look('image-folder', at('empty'))).toEqual(absent(`no image in ${at('empty')}; expected files ending in .avif`));
  expect(await look('idx', at('empty'))).toEqual(absent('no train-images-idx3-ubyte or .gz in'));
});

test('what is something else is told with what it is', async () => {
  const wrong = (reason: string) => ({ kind: 'wrong', reason: expect.stringContaining(reason) });
  expect(await look('image-folder', at('images', 'c.webp'))).toEqual(wrong('is a file; name the folder that contains it'));
  expect(await look('image-folder', at('images', 'c.webp', 'd'))).toEqual(wrong('leads through a file'));
  expect(await look('image-folder', '~/images')).toEqual(
    wrong('only a shell expands ~ to a home folder; write the full path, such as /home/you/images'),
  );
  expect(await look('image-folder', at('plain'))).toEqual(wrong('it looks like format: idx'));
  expect(await look('idx', at('images'))).toEqual(wrong('it looks like format: image-folder'));
  expect(await look('webdataset', at('images'))).toEqual(wrong('`maestro dataset pack` writes both; it looks like format: image-folder'));
  expect(await look('webdataset', at('packed'))).toMatchObject({ kind: 'wrong' });
  expect(await look('idx', at('images', 'c.webp'))).toEqual(wrong('expected it to start with 00 00 08 03'));
  for (const format of ['idx', 'image-folder', 'webdataset'] as const)
    expect(await look(format, at('pipe'))).toEqual(wrong('is neither a folder nor a file'));
});

test('what is on a server is left to the workers', async () => {
  expect(await look('webdataset', 's3://bucket/set')).toEqual({
    kind: 'unseen',
    reason: 's3://bucket/set is on a server; workers read it',
  });
});
