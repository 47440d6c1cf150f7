import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { examineData } from './examineData.ts';
import { surveyData } from './surveyData.ts';

let dir: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'maestro-survey-'));
});

afterAll(() => rm(dir, { recursive: true, force: true }));

const place = async (name: string, files: readonly string[], content: string | Uint8Array = 'x'): Promise<string> => {
  const root = join(dir, name);
  await mkdir(root, { recursive: true });
  for (const file of files) {
    await mkdir(join(root, file, '..'), { recursive: true });
    await writeFile(join(root, file), content);
  }
  return root;
};

test('a plain folder of images is an image folder, with its images counted by sub-folder', async () => {
  const path = await place('pets', [
    'cat/1.jpg',
    'cat/more/2.PNG',
    'dog/1.webp',
    'loose.jpeg',
    'dog/readme.txt',
    '.hidden/3.jpg',
    'empty/x.md',
  ]);
  expect(await surveyData(path)).toEqual({
    path,
    format: 'image-folder',
    samples: 4,
    isAll: true,
    classes: [
      { name: 'cat', samples: 2 },
      { name: 'dog', samples: 1 },
    ],
    classCount: 2,
  });
});

test('many classes are counted, and the first of them named', async () => {
  const path = await place(
    'many',
    Array.from({ length: 30 }, (_, i) => `class-${String(i).padStart(2, '0')}/1.jpg`),
  );
  const { samples, classes, classCount } = await surveyData(path);
  expect([samples, classCount, classes.length, classes[0]?.name]).toEqual([30, 30, 20, 'class-00']);
});

test('IDX files are known by their names, and their samples by the header', async () => {
  const header = Buffer.from([0, 0, 8, 3, 0, 0, 1, 44, 0, 0, 0, 28, 0, 0, 0, 28]);
  const path = await place('mnist', ['train-images-idx3-ubyte'], header);
  expect(await surveyData(path)).toMatchObject({ format: 'idx', samples: 300, isAll: true });
  const packed = await place('mnist-packed', ['train-images-idx3-ubyte.gz'], gzipSync(Buffer.concat([header, Buffer.alloc(100_000, 7)])));
  expect(await surveyData(packed)).toMatchObject({ format: 'idx', samples: 300, isAll: true });
});

test('what is no data set is said in words: nothing there, no image, a file, a path that is not whole', async () => {
  await place('puppies', ['small/1.jpg']);
  expect((await surveyData(join(dir, 'pupies'))).problem).toContain(`there is nothing at ${dir}/pupies`);
  const path = await place('texts', ['a.txt']);
  expect(await surveyData(path)).toMatchObject({ problem: expect.stringContaining(`no image in ${path}; expected files ending in .avif`) });
  expect((await surveyData(path)).format).toBeUndefined();
  expect((await surveyData(join(path, 'a.txt'))).problem).toContain('is a file; name the folder that contains it');
  expect((await surveyData('images')).problem).toBe('images is no whole path: give one that begins with /');
});

test('a packed data set is known by its index; one on a server is for the workers to read', async () => {
  const path = await place('packed', ['index.json', 'shard-0.tar'], '{}');
  expect(await surveyData(path)).toMatchObject({ format: 'webdataset', problem: expect.stringContaining('its index') });
  expect(await surveyData('s3://bucket/faces')).toMatchObject({ format: 'webdataset', note: expect.stringContaining('workers read it') });
});

test('shards that others made are known without an index, but not an archive beside images', async () => {
  const shards = await place('foreign', ['train-000000.tar', 'train-000001.tar', 'README.md']);
  const why = `the shards of ${shards} have no index; workers make one when the job starts`;
  expect(await surveyData(shards)).toEqual({ path: shards, format: 'webdataset', isAll: false, classes: [], classCount: 0, note: why });
  expect(await examineData({ format: 'webdataset', path: shards })).toEqual({ kind: 'unseen', reason: why });
  const images = await place('unpacked', ['train.tar', 'cat/1.jpg', '@eaDir/cat.jpg']);
  expect(await surveyData(images)).toMatchObject({ format: 'image-folder', samples: 1, classCount: 1 });
  expect(await examineData({ format: 'image-folder', path: images })).toEqual({ kind: 'seen', samples: 1, isAll: true });
});

test('the form and a submission see the same in any place', async () => {
  const header = Buffer.from([0, 0, 8, 3, 0, 0, 1, 44, 0, 0, 0, 28, 0, 0, 0, 28]);
  const places = [
    await place('deep', ['a/b/c/1.jpg', 'index.json']),
    await place('test-split', ['t10k-images.idx3-ubyte'], header),
    await place('nothing', ['a/b/readme.txt']),
    await place('cut', ['train-images-idx3-ubyte.gz'], Uint8Array.of(0x1f, 0x8b, 1)),
    await place('strays', ['index.json', 'notes.txt']),
  ];
  for (const path of places) {
    const survey = await surveyData(path);
    const split = path.endsWith('split') ? 'test' : 'train';
    const found = await examineData({ format: survey.format ?? 'image-folder', path, split });
    expect([path, found]).toEqual([
      path,
      survey.problem === undefined
        ? { kind: 'seen', samples: survey.samples, isAll: survey.isAll }
        : { kind: survey.format === undefined ? 'absent' : 'wrong', reason: survey.problem },
    ]);
  }
});
