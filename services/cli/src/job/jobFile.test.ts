import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { parseJobSpec } from '@maestro/protocol';
import { readJobFile, setKeys, withAbsolutePaths } from './jobFile.ts';

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'maestro-jobfile-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const written = async (text: string): Promise<string> => {
  const path = join(dir, 'job.yaml');
  await writeFile(path, text);
  return path;
};

test('a job file is YAML or JSON', async () => {
  expect(await readJobFile(await written('name: a\nschedule: { epochs: 2 }\n'))).toEqual({ name: 'a', schedule: { epochs: 2 } });
  expect(await readJobFile(await written('{"name": "a"}'))).toEqual({ name: 'a' });
});

test('a file that is not there, or no mapping, is refused with its name and place', async () => {
  await expect(readJobFile(join(dir, 'none.yaml'))).rejects.toThrow(/job file .*none\.yaml: no such file/);
  await expect(readJobFile(await written('a: [1,\nb: 2'))).rejects.toThrow(/job file .*job\.yaml: .* at line \d/);
  await expect(readJobFile(dir)).rejects.toThrow(/^job file .*: it is a folder; name the job file inside it$/);
  await expect(readJobFile(await written('- 1'))).rejects.toThrow('expected a mapping of keys');
});

test('what is no YAML is shown with its line and a mark at the place', async () => {
  await expect(readJobFile(await written('name: a\nschedule:\n  epochs: 1: 2\n'))).rejects.toThrow(
    /job\.yaml: Nested mappings are not allowed in compact mappings at line 3, column 11\n {4}epochs: 1: 2\n {12}\^$/,
  );
  expect(() => setKeys({}, ['seed=[1'])).toThrow('--set seed=[1: the value is not valid YAML: ');
});

test('a path of ~ is left for whoever can tell that only a shell knows it', () => {
  expect(withAbsolutePaths({ data: { format: 'idx', path: '~/images' } })).toEqual({ data: { format: 'idx', path: '~/images' } });
});

test('--set puts typed values at dotted paths without changing what it was given', () => {
  const file = { schedule: { epochs: 1 } };
  expect(setKeys(file, ['schedule.epochs=3', 'model.normPixLoss=false', 'name=x=y'])).toEqual({
    schedule: { epochs: 3 },
    model: { normPixLoss: false },
    name: 'x=y',
  });
  expect(file).toEqual({ schedule: { epochs: 1 } });
  expect(() => setKeys(file, ['epochs'])).toThrow('--set epochs: expected key=value');
  expect(() => setKeys({ seed: 1 }, ['seed.x=1'])).toThrow('seed is a value, not a section');
});

test.each(['__proto__', 'constructor', 'toString', 'prototype'])(
  '--set %s... sets a key of the file, which is refused as in the file',
  async (key) => {
    const minimal = { data: { format: 'idx', path: '/a' }, schedule: { epochs: 1 } };
    for (const path of [`${key}.x`, key]) {
      expect(() => parseJobSpec(withAbsolutePaths(setKeys(minimal, [`${path}=3`])))).toThrow(`${key}: unknown key`);
    }
    expect(() => parseJobSpec(setKeys(minimal, [`schedule.${key}.x=3`]))).toThrow(`schedule.${key}: unknown key`);
    const file = await readJobFile(await written(`{ ${key}: { x: 3 }, data: { format: idx, path: /a }, schedule: { epochs: 1 } }`));
    expect(() => parseJobSpec(withAbsolutePaths(file))).toThrow(`${key}: unknown key`);
    expect(Object.hasOwn(Object.prototype, 'x')).toBe(false);
  },
);

test('paths are made absolute, the rest stays', () => {
  expect(withAbsolutePaths({ data: { format: 'idx', path: 'images' }, checkpoint: { resumeFrom: 'c' }, seed: 1 })).toEqual({
    data: { format: 'idx', path: resolve('images') },
    checkpoint: { resumeFrom: resolve('c') },
    seed: 1,
  });
});

test('hostile or mistaken files are refused in words: nested without end, two documents, numbers that are none', async () => {
  const read = async (text: string): Promise<string> =>
    readJobFile(await written(text)).then(String, (error: { code: string; message: string }) => `${error.code} ${error.message}`);
  expect(await read('['.repeat(100_000))).toMatch(/^invalid-argument job file .*nested more than 64 levels deep/);
  expect(await read('name: a\n---\nname: b\n')).toMatch(/^invalid-argument job file .*more than one YAML document/);
  expect(await read('optimizer: { lr: .nan }\n')).toMatch(/^invalid-argument job file .*optimizer\.lr: expected a number, found NaN/);
  expect(await read('optimizer:\n  lr: 1e400\n')).toMatch(/optimizer\.lr: expected a number, found Infinity/);
  expect(() => setKeys({}, ['optimizer.lr=.inf'])).toThrow(/optimizer\.lr: expected a number, found Infinity/);
});
