import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { type Dataset, openDataset } from './dataset.ts';

let dir: string;
let root: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'maestro-folder-'));
  root = join(dir, 'images');
  await mkdir(root);
});
afterEach(() => rm(dir, { recursive: true }));

const put = async (name: string, content = name) => {
  await mkdir(join(root, name, '..'), { recursive: true });
  await writeFile(join(root, name), content);
};
const open = (path = root) => openDataset({ format: 'image-folder', path });
const namesOf = (dataset: Dataset) => Array.from({ length: dataset.length }, (_, index) => dataset.name(index));

test('images are found in all folders, in code-unit order, and anything else is passed over', async () => {
  for (const name of ['b.JPG', 'Z.png', 'a/ä.webp', 'a/10.tiff', 'a/9.tif', 'a/deep/x.gif', 'notes.txt', '.hidden.png', '.cache/y.png'])
    await put(name);
  expect(namesOf(await open())).toEqual(['Z.png', 'a/10.tiff', 'a/9.tif', 'a/deep/x.gif', 'a/ä.webp', 'b.JPG']);
});

test('first-level folders are the classes, sorted; images in the root have none', async () => {
  for (const name of ['wolf/1.png', 'dog/1.png', 'dog/pups/2.png', 'loose.png']) await put(name);
  const dataset = await open();
  expect(dataset.classes).toEqual(['dog', 'wolf']);
  expect(namesOf(dataset).map((name, index) => [name, dataset.label(index)])).toEqual([
    ['dog/1.png', 0],
    ['dog/pups/2.png', 0],
    ['loose.png', undefined],
    ['wolf/1.png', 1],
  ]);
});

test('the fingerprint is that of a copy elsewhere, and changes with a name, a size or a byte', async () => {
  await put('a/1.png', 'one');
  await put('a/2.png', 'two');
  const { fingerprint } = await open();
  await cp(root, join(dir, 'copy'), { recursive: true });
  expect((await open(join(dir, 'copy'))).fingerprint).toBe(fingerprint);
  await put('a/2.png', 'TWO');
  expect((await open()).fingerprint).not.toBe(fingerprint);
  await put('a/2.png', 'two');
  expect((await open()).fingerprint).toBe(fingerprint);
  await put('a/3.png', '');
  expect((await open()).fingerprint).not.toBe(fingerprint);
});

test('a file that changes or goes after opening is an error, not a broken image', async () => {
  await put('1.png', 'one');
  const dataset = await open();
  expect(await dataset.read(0)).toEqual({ kind: 'encoded', bytes: Buffer.from('one') });
  await put('1.png', 'longer');
  await expect(dataset.read(0)).rejects.toThrow('1.png had 3 bytes when the job started and has changed since');
  await rm(join(root, '1.png'));
  await expect(dataset.read(0)).rejects.toMatchObject({
    code: 'data-invalid',
    message: expect.stringContaining('1.png cannot be read (ENOENT'),
  });
});

test('a link inside the root counts as the file; the root may be a link itself', async () => {
  await put('1.png', 'one');
  await symlink('1.png', join(root, '2.png'));
  await symlink(root, join(dir, 'link'));
  const dataset = await open(join(dir, 'link'));
  expect(namesOf(dataset)).toEqual(['1.png', '2.png']);
  expect(await dataset.read(1)).toEqual({ kind: 'encoded', bytes: Buffer.from('one') });
});

test.each([
  ['out of the root', '../secret.png', 'leads out of it'],
  ['into a sibling whose name starts alike', '../images-other/1.png', 'leads out of it'],
  ['to a folder', 'sub', 'is a link to a folder'],
  ['nowhere', 'gone.png', 'leads nowhere'],
])('a link that leads %s is refused by name', async (_, target, message) => {
  await put('sub/1.png');
  await writeFile(join(dir, 'secret.png'), 'secret');
  await mkdir(join(dir, 'images-other'));
  await writeFile(join(dir, 'images-other', '1.png'), '1');
  await symlink(target, join(root, 'link.png'));
  const opened = open();
  await expect(opened).rejects.toMatchObject({ code: 'data-invalid' });
  await expect(opened).rejects.toThrow(message);
  await expect(opened).rejects.toThrow('link.png');
});

test('a folder that is missing or without images is refused with what would count', async () => {
  await expect(open(join(dir, 'nowhere'))).rejects.toMatchObject({ code: 'not-found' });
  await put('notes.txt');
  await expect(open()).rejects.toThrow('no image found; files ending in .avif .gif .jpeg .jpg .png');
});

test('listing stops when it is cancelled', async () => {
  await put('1.png');
  const cancelled = openDataset({ format: 'image-folder', path: root }, { signal: AbortSignal.abort() });
  await expect(cancelled).rejects.toMatchObject({ code: 'cancelled' });
});
