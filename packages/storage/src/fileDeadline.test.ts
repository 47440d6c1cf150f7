import { execFileSync } from 'node:child_process';
import { constants } from 'node:fs';
import { mkdtemp, open, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { hasAbandonedFileCalls, inFileTime, openRegularFile, openStorage } from './index.ts';

let dir: string;
let pipe: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'maestro-files-'));
  pipe = join(dir, 'pipe');
  execFileSync('mkfifo', [pipe]);
});
afterAll(() => rm(dir, { recursive: true, force: true }));

/** A call that hangs as one into a dead mount does: nobody writes to the pipe. @returns it, and how to let it end */
function hangingCall() {
  const call = open(pipe, 'r');
  const release = async (): Promise<void> => {
    const writer = await open(pipe, constants.O_WRONLY | constants.O_NONBLOCK);
    await (await call).close();
    await writer.close();
  };
  return { call, release };
}

test('a file call that does not come back is given up after its deadline, and counted until it does', async () => {
  const { call, release } = hangingCall();
  await expect(inFileTime(call, 'image folder /mnt/a', { timeoutMs: 50 })).rejects.toMatchObject({
    code: 'storage',
    message: expect.stringMatching(/^image folder \/mnt\/a: no answer for 0\.05 s; the mount may be hanging:/),
  });
  expect(hasAbandonedFileCalls()).toBe(true);
  await release();
  expect(hasAbandonedFileCalls()).toBe(false);
});

test('a file call that does not come back is given up at once when the work is cancelled', async () => {
  const { call, release } = hangingCall();
  const controller = new AbortController();
  const waiting = inFileTime(call, 'image folder /mnt/a', { signal: controller.signal });
  controller.abort();
  await expect(waiting).rejects.toMatchObject({ code: 'cancelled' });
  await expect(inFileTime(call, 'x', { signal: controller.signal })).rejects.toMatchObject({ code: 'cancelled' });
  await release();
});

test('what a call gives or throws in time is passed on', async () => {
  await expect(inFileTime(Promise.resolve(7), 'x')).resolves.toBe(7);
  await expect(inFileTime(Promise.reject(new Error('gone')), 'x')).rejects.toThrow('gone');
  expect(hasAbandonedFileCalls()).toBe(false);
});

test('nothing but a regular file is opened to be read, by way of a folder too', async () => {
  await writeFile(join(dir, 'file'), 'abc');
  await symlink('file', join(dir, 'link'));
  const file = await openRegularFile(join(dir, 'link'));
  expect((await file.readFile()).toString()).toBe('abc');
  await file.close();
  await expect(openRegularFile(join(dir, 'link'), { followsLinks: false })).rejects.toThrow('ELOOP');
  await expect(openRegularFile(pipe)).rejects.toMatchObject({
    code: 'storage',
    message: `${pipe}: it is a named pipe, expected a regular file`,
  });
  await expect(openRegularFile(dir)).rejects.toThrow('it is a folder');
  await expect(openRegularFile('/dev/zero')).rejects.toThrow('it is a device');
  const folder = openStorage(dir);
  await expect(folder.open('pipe')).rejects.toThrow('it is a named pipe');
  await expect(folder.readWhole('pipe', { limitBytes: 10 })).rejects.toThrow('it is a named pipe');
  await expect(folder.readRange('pipe', { begin: 0, end: 1 })).rejects.toThrow('it is a named pipe');
});
