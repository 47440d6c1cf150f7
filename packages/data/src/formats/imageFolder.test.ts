import { execFileSync } from 'node:child_process';
import { cp, mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { Dataset } from './dataset.ts';
import { listImages } from './listImages.ts';
import { openDataset } from './openDataset.ts';

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

test('folders that systems keep for themselves are passed over, and so is what is no regular file, such as a named pipe', async () => {
  for (const name of ['a/1.png', '@eaDir/a/1.png/thumb.jpg', 'a/@eaDir/1.jpg', '#recycle/2.png', '__MACOSX/a/3.png', 'lost+found/4.png'])
    await put(name);
  execFileSync('mkfifo', [join(root, 'pipe.jpg')]);
  await symlink('pipe.jpg', join(root, 'link.jpg'));
  await symlink('/dev/zero', join(root, 'a', 'endless'));
  expect(namesOf(await open())).toEqual(['a/1.png']);
});

test('a link that is no image by its name may lead anywhere but to a folder', async () => {
  await put('1.png');
  await symlink('../README.md', join(root, 'README.md'));
  await symlink('/etc/hostname', join(root, 'host'));
  await symlink('README', join(root, 'README'));
  expect(namesOf(await open())).toEqual(['1.png']);
});

test('a file that is a named pipe when it is read is an error at once', async () => {
  await put('1.png', 'one');
  const dataset = await open();
  await rm(join(root, '1.png'));
  execFileSync('mkfifo', [join(root, '1.png')]);
  await expect(dataset.read(0)).rejects.toMatchObject({ code: 'data-invalid', message: expect.stringContaining('it is a named pipe') });
});

test('files that go while the folder is listed are not in it', async () => {
  for (let i = 0; i < 400; i++) await put(`${String(i).padStart(3, '0')}.png`, 'x');
  await put('folder/1.png');
  const listing = listImages(root);
  await Promise.all([
    rm(join(root, 'folder'), { recursive: true }),
    ...Array.from({ length: 300 }, (_, i) => rm(join(root, `${100 + i}.png`))),
  ]);
  const { names, sizes } = await listing;
  expect(names.slice(0, 100)).toEqual(Array.from({ length: 100 }, (_, i) => `${String(i).padStart(3, '0')}.png`));
  expect(sizes).toEqual(names.map(() => 1));
});

test('files whose names are no UTF-8 are read, and told apart', async () => {
  const latin1 = (name: string) => Buffer.concat([Buffer.from(`${root}/`), Buffer.from(name, 'latin1')]);
  await mkdir(latin1('h\xf6hle'));
  await writeFile(latin1('h\xf6hle/caf\xe9.jpg'), 'one');
  await writeFile(latin1('h\xf6hle/caf\xe8.jpg'), 'two');
  await put('höhle/café.jpg', 'three');
  const dataset = await open();
  expect(namesOf(dataset)).toEqual(['höhle/café.jpg', 'h\udcf6hle/caf\udce8.jpg', 'h\udcf6hle/caf\udce9.jpg']);
  expect(dataset.classes).toEqual(['höhle', 'h\udcf6hle']);
  const contents = await Promise.all([0, 1, 2].map((index) => dataset.read(index)));
  expect(contents.map((sample) => sample.kind === 'encoded' && Buffer.from(sample.bytes).toString())).toEqual(['three', 'two', 'one']);
  await rename(latin1('h\xf6hle/caf\xe8.jpg'), latin1('h\xf6hle/caf\xe7.jpg'));
  expect((await open()).fingerprint).not.toBe(dataset.fingerprint);
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
  await expect(dataset.read(0)).rejects.toThrow('1.png had 3 bytes when the job started, and has changed since then');
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
  await expect(open()).rejects.toThrow('no image found; expected files ending in .avif .gif .jpeg .jpg .png');
});

test('listing stops when it is cancelled', async () => {
  await put('1.png');
  const cancelled = openDataset({ format: 'image-folder', path: root }, { signal: AbortSignal.abort() });
  await expect(cancelled).rejects.toMatchObject({ code: 'cancelled' });
});
