import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { parseJobSpec, readRoots, requireConfined } from '../index.ts';

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'maestro-roots-'));
  await mkdir(join(dir, 'allowed'));
  await symlink('/', join(dir, 'allowed', 'out'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

test('roots are folders and addresses with colons between, ports and all', () => {
  expect(readRoots('/data:s3://bucket/sets:http://host:8080/x:http://[::1]:80/:/more', ['/own'])).toEqual([
    '/data',
    's3://bucket/sets',
    'http://host:8080/x',
    'http://[::1]:80/',
    '/more',
    '/own',
  ]);
  expect(readRoots(' ', ['/own'])).toBeUndefined();
});

const judge = (path: string, key: 'path' | 'location' | 'resumeFrom' = 'path') => {
  const checkpoint = key === 'path' ? {} : { [key]: path };
  const data = { format: 'webdataset', path: key === 'path' ? path : 's3://bucket/sets/a' };
  const roots = readRoots(`${dir}/allowed:s3://bucket/sets:http://host:8080/x`, [join(dir, 'own')]);
  return requireConfined(parseJobSpec({ data, checkpoint, schedule: { steps: 1 } }), roots).then(
    () => 'allowed',
    (error: { code: string }) => error.code,
  );
};

test.each(['s3://bucket/sets', 's3://bucket/sets/a/b', 'http://host:8080/x/index.json', 'http://HOST:8080/x/y'])(
  '%s is inside',
  async (path) => {
    expect(await judge(path)).toBe('allowed');
  },
);

test.each([
  's3://bucket/sets2',
  's3://bucket2/sets',
  's3://bucket/sets/../other',
  's3://bucket/sets/%2e%2e/other',
  'http://host:8080/x/../y',
  'http://host:8080/x/%2e%2e/y',
  'http://host:8080/x/..%2fy',
  'http://host:8080/x?redirect=1',
  'http://host/x/index.json',
  'https://host:8080/x/index.json',
  'http://user@host:8080/x/a',
  'http://host:8080@evil/x',
  'file:///etc/passwd',
  'ftp://host/x',
])('%s is outside', async (path) => {
  expect(await judge(path)).toBe('permission-denied');
});

test('folders are judged as they were, and where checkpoints are kept and come from as data is', async () => {
  expect(await judge(join(dir, 'allowed', 'set'))).toBe('allowed');
  expect(await judge(join(dir, 'own', 'set'))).toBe('allowed');
  expect(await judge(join(dir, 'allowed', 'out', 'etc'))).toBe('permission-denied');
  expect(await judge(join(dir, 'allowed', '..', 'x'))).toBe('permission-denied');
  for (const key of ['location', 'resumeFrom'] as const) {
    expect(await judge('s3://bucket/sets/job', key)).toBe('allowed');
    expect(await judge('s3://elsewhere/job', key)).toBe('permission-denied');
    expect(await judge('/etc', key)).toBe('permission-denied');
  }
});
