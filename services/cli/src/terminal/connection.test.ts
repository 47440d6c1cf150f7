import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { identifyProcess } from '@maestro/protocol';
import { coordinatorAddress, DEFAULT_COORDINATOR, readClusterFile, writeClusterFile } from './connection.ts';

let dir: string;
let stranger: ChildProcess | undefined;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'maestro-connection-'));
});
afterEach(async () => {
  stranger?.kill('SIGKILL');
  await rm(dir, { recursive: true, force: true });
});

const cluster = {
  coordinator: '127.0.0.1:17070',
  http: '127.0.0.1:17080',
  redisUrl: 'redis://:secret@127.0.0.1:6379',
  device: 'cpu',
  threads: 1,
  processes: [{ name: 'worker-a', pid: process.pid, isRunning: true }],
} as const;

test('the file of a running cluster tells which processes these are, and is for its owner alone', async () => {
  await writeClusterFile(dir, cluster);
  const self = identifyProcess();
  expect(await readClusterFile(dir)).toEqual({ ...cluster, ...self, processes: [{ name: 'worker-a', isRunning: true, ...self }] });
  expect((await stat(join(dir, 'cluster.json'))).mode & 0o777).toBe(0o600);
  expect(await readdir(dir)).toEqual(['cluster.json']);
});

test('a file that a dead cluster left is none: `maestro down` ends no stranger, and no command goes to its address', async () => {
  stranger = spawn('sleep', ['600']);
  await once(stranger, 'spawn');
  const main = fileURLToPath(new URL('../main.js', import.meta.url));
  // The process id of `maestro up` is that of `sleep` now; an earlier version wrote no start; ids that mean a group or everybody.
  for (const owner of [{ pid: stranger.pid, started: '0123456789ab' }, { pid: stranger.pid }, { pid: 0 }, { pid: -1 }]) {
    await writeFile(join(dir, 'cluster.json'), JSON.stringify({ ...cluster, ...owner }));
    expect(await readClusterFile(dir)).toBeUndefined();
    expect(await coordinatorAddress({ dataDir: dir })).toBe(DEFAULT_COORDINATOR);
  }
  await writeFile(join(dir, 'cluster.json'), JSON.stringify({ ...cluster, pid: stranger.pid, started: '0123456789ab' }));
  const ended = promisify(execFile)(process.execPath, [main, '--data-dir', dir, 'down']);
  await expect(ended).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining('down: no cluster is running') });
  expect(stranger.exitCode ?? stranger.signalCode).toBeNull();
  expect(await readFile(join(dir, 'cluster.json'), 'utf8')).toContain(String(stranger.pid));
});
