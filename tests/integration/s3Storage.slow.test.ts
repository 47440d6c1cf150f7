import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { abandonUploads, openStorage, openStored, readAhead, readStored, type Storage } from '@maestro/storage';
import { eventually } from '../support/eventually.ts';
import { hasS3Server, type S3Server, startS3Server } from '../support/tools/s3Server.ts';

const hasS3 = await hasS3Server();
const MIB = 2 ** 20;

let dir: string;
let s3: S3Server | undefined;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'maestro-storage-'));
  if (hasS3) {
    s3 = await startS3Server();
    Object.assign(process.env, s3.env);
  }
});

afterAll(async () => {
  await s3?.stop();
  await rm(dir, { recursive: true, force: true });
});

/** Bytes of which no two blocks are alike. */
const bytesOf = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 8) * 7 + (i >> 16)) & 255);
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

describe.each([
  ['a folder', true, (name: string) => openStorage(join(dir, name))],
  ['an S3 server', hasS3, (name: string) => openStorage(`${s3!.bucket}/${name} with spaces & more`)],
] as const)('storage in %s', (_where, isThere, open: (name: string) => Storage) => {
  const it = isThere ? test : test.skip;

  it('lists what was written below it, with sizes and in order, and nothing where nothing is', async () => {
    const storage = open('lists');
    expect(await storage.list()).toEqual([]);
    for (const name of ['b/two', 'b/c/three', 'a']) await storage.write(name, [Buffer.from(name)]);
    expect((await storage.list()).map(({ name, sizeBytes }) => [name, sizeBytes])).toEqual([
      ['a', 1],
      ['b/c/three', 9],
      ['b/two', 5],
    ]);
    expect((await storage.list('b')).map(({ name }) => name)).toEqual(['b/c/three', 'b/two']);
    expect(Date.now() - (await storage.list())[0]!.modifiedAt.getTime()).toBeLessThan(60_000);
  });

  it('gives back what was written, whole, in ranges and piece by piece, whatever its size', async () => {
    const storage = open('reads');
    for (const length of [0, 1, 5 * MIB, 8 * MIB, 20 * MIB + 3]) {
      const bytes = bytesOf(length);
      const written = await storage.write(`é ${length}.bin`, [bytes.subarray(0, 100), bytes.subarray(100)]);
      expect(written.sizeBytes).toBe(length);
      expect(Buffer.compare(await storage.readWhole(`é ${length}.bin`, { limitBytes: length }), bytes)).toBe(0);
      const file = readAhead(await openStored(`${storage.location}/é ${length}.bin`), MIB);
      expect(file.sizeBytes).toBe(length);
      const read = new Uint8Array(length + 10);
      let at = 0;
      for (let got = -1; got !== 0; at += got) got = await file.read(read.subarray(at, at + 700_001), at);
      await file.close();
      expect(at).toBe(length);
      expect(Buffer.compare(read.subarray(0, length), bytes)).toBe(0);
    }
    const range = await storage.readRange(`é ${20 * MIB + 3}.bin`, { begin: 9 * MIB - 5, end: 9 * MIB + 5 });
    expect(Buffer.compare(range, bytesOf(20 * MIB).subarray(9 * MIB - 5, 9 * MIB + 5))).toBe(0);
  }, 120_000);

  it('replaces an object as a whole, and one that cannot be written leaves the old one', async () => {
    const storage = open('replaces');
    await storage.write('x', [Buffer.from('old')]);
    await storage.write('x', [Buffer.from('new')]);
    expect(text(await readStored(`${storage.location}/x`))).toBe('new');
    const failing = async function* () {
      yield bytesOf(17 * MIB);
      throw new Error('out of data');
    };
    await expect(storage.write('x', failing())).rejects.toThrow('out of data');
    expect(text(await readStored(`${storage.location}/x`))).toBe('new');
    expect((await storage.list()).map(({ name }) => name)).toEqual(['x']);
  });

  it('says what is not there, and refuses more than was asked for', async () => {
    const storage = open('refuses');
    await storage.write('x', [Buffer.from('12345')]);
    for (const ask of [
      storage.open('y'),
      storage.sizeOf('y'),
      storage.readWhole('y', { limitBytes: 9 }),
      storage.readRange('y', { begin: 0, end: 1 }),
    ])
      await expect(ask).rejects.toMatchObject({ code: 'not-found' });
    await expect(storage.readWhole('x', { limitBytes: 4 })).rejects.toMatchObject({ code: 'too-large' });
    await expect(storage.readRange('x', { begin: 3, end: 9 })).rejects.toMatchObject({ code: 'storage' });
    await storage.remove('x');
    await storage.remove('x');
    expect(await storage.list()).toEqual([]);
  });
});

const withS3 = hasS3 ? test : test.skip;

withS3('a process that is killed while it uploads leaves no object, and what it left is cleared', async () => {
  const location = `${s3!.bucket}/killed`;
  const script = `import { openStorage } from '${import.meta.resolve('@maestro/storage')}';
    const parts = async function* () {
      for (let n = 0; n < 3; n++) yield new Uint8Array(8 << 20).fill(n);
      process.send('parts');
      await new Promise(() => setInterval(() => undefined, 1000));
    };
    await openStorage('${location}').write('large', parts());`;
  const child: ChildProcess = spawn(process.execPath, ['--input-type=module', '-e', script], {
    env: process.env,
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  await new Promise((resolve) => child.once('message', resolve));
  const storedParts = async () =>
    (await readdir(s3!.folder, { recursive: true })).filter((name) => /\.sgwtmp\/multipart\/.*\/\d+$/.test(name)).length;
  await eventually('parts on the server', async () => (await storedParts()) > 0);
  child.kill('SIGKILL');
  expect(await openStorage(location).list()).toEqual([]);
  expect(await abandonUploads(`${s3!.bucket}/elsewhere`)).toBe(0);
  expect(await storedParts()).toBeGreaterThan(0);
  expect(await abandonUploads(location)).toBe(1);
  expect(await storedParts()).toBe(0);
  expect(await abandonUploads(location)).toBe(0);
});

withS3('what the server refuses is told with what to do', async () => {
  await expect(openStorage('s3://nowhere/x').list()).rejects.toMatchObject({
    code: 'storage',
    message: expect.stringContaining('create the bucket'),
  });
  expect(() => openStorage('s3://bucket/../x')).toThrow('expected s3://bucket/prefix');
  expect(() => openStorage('https://host/x')).toThrow('can only be read from');
  const { AWS_SECRET_ACCESS_KEY: secret, AWS_ACCESS_KEY_ID: id } = process.env;
  try {
    process.env['AWS_SECRET_ACCESS_KEY'] = 'wrong';
    await expect(openStorage(s3!.bucket).list()).rejects.toMatchObject({ message: expect.stringContaining('check AWS_SECRET_ACCESS_KEY') });
    delete process.env['AWS_ACCESS_KEY_ID'];
    await expect(openStorage(s3!.bucket).list()).rejects.toMatchObject({ message: expect.stringContaining('set AWS_ACCESS_KEY_ID') });
  } finally {
    Object.assign(process.env, { AWS_SECRET_ACCESS_KEY: secret, AWS_ACCESS_KEY_ID: id });
  }
});

withS3('a server that is away for a moment is waited for, and one that stays away is named', async () => {
  const storage = openStorage(`${s3!.bucket}/away`);
  await storage.write('x', [Buffer.from('here')]);
  await s3!.pause();
  await expect(storage.list()).rejects.toMatchObject({
    code: 'storage',
    message: expect.stringMatching(/no answer \(.*ECONNREFUSED.*check that the server is up/),
  });
  const reading = storage.readWhole('x', { limitBytes: 10 });
  await s3!.restart();
  expect(text(await reading)).toBe('here');
});
