import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { glanceAtCheckpoint, tarCheckpoint, writeCheckpoint } from '../index.ts';

let root: string;
let dir: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'maestro-tar-'));
  const tensor = (name: string, data: readonly number[]) => ({ name, shape: [data.length], data: Float32Array.from(data) });
  ({ dir } = await writeCheckpoint({
    root: join(root, 'checkpoints'),
    step: 12,
    parameters: [tensor('a', [1, 2, 3])],
    firstMoments: [tensor('a', [0, 0, 0])],
    secondMoments: [tensor('a', [0, 0, 0])],
    state: { seed: 1 },
  }));
});

afterEach(() => rm(root, { recursive: true, force: true }));

async function collect(bytes: AsyncIterable<Buffer>): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of bytes) parts.push(part);
  return Buffer.concat(parts);
}

test('what tar unpacks is a checkpoint again, file by file, and the size was known beforehand', async () => {
  const { sizeBytes, bytes } = await tarCheckpoint(dir);
  const archive = await collect(bytes);
  expect(archive.length).toBe(sizeBytes);
  await writeFile(join(root, 'x.tar'), archive);
  await promisify(execFile)('tar', ['-xf', 'x.tar'], { cwd: root });
  for (const file of ['manifest.json', 'model.safetensors', 'optimizer.safetensors', 'state.json']) {
    expect(await readFile(join(root, 'step-00000012', file))).toEqual(await readFile(join(dir, file)));
  }
  expect(await glanceAtCheckpoint(join(root, 'step-00000012'))).toMatchObject({ valid: true, step: 12 });
});

test('a checkpoint that is removed after it was opened is still sent whole', async () => {
  const { sizeBytes, bytes } = await tarCheckpoint(dir);
  await rm(dir, { recursive: true });
  expect((await collect(bytes)).length).toBe(sizeBytes);
  await expect(tarCheckpoint(dir)).rejects.toMatchObject({ code: 'not-found' });
});

test('a file that is a link, or has another size than the manifest says, is refused', async () => {
  await rm(join(dir, 'state.json'));
  await symlink('/etc/hostname', join(dir, 'state.json'));
  await expect(tarCheckpoint(dir)).rejects.toMatchObject({ code: 'checkpoint-invalid' });
  await rm(join(dir, 'state.json'));
  await writeFile(join(dir, 'state.json'), '{}');
  await expect(tarCheckpoint(dir)).rejects.toMatchObject({ code: 'checkpoint-invalid', message: expect.stringContaining('2 bytes') });
  expect(await glanceAtCheckpoint(dir)).toMatchObject({ valid: false });
});
