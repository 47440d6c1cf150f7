import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { runCli } from '../support/cluster/runCli.ts';
import { fileOf } from '../support/repository.ts';

let dir: string;
let mount: ChildProcess;
/** Why nothing can be mounted here; empty where it can. */
let refusal = '';

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'maestro-hang-'));
  mount = spawn('python3', [fileOf('tests/support/tools/hang_mount.py'), dir], { stdio: ['pipe', 'pipe', 'pipe'] });
  const said = Promise.race([once(mount.stdout!, 'data'), once(mount.stderr!, 'data'), once(mount, 'error')]);
  const text = String((await said)[0]).trim();
  if (text !== 'mounted') refusal = text;
});

afterAll(async () => {
  if (refusal === '') {
    const ended = once(mount, 'exit');
    mount.stdin!.end();
    await ended;
  }
  await rm(dir, { recursive: true, force: true });
});

test('`dataset inspect` of a mount that hangs says so after half a minute, and ends', async () => {
  if (refusal !== '') return void process.stderr.write(`skipped: a hanging file system cannot be mounted here (${refusal})\n`);
  const { code, stdout, stderr } = await runCli(['dataset', 'inspect', dir], tmpdir());
  expect(stderr).toContain(`dataset ${dir}: no answer for 30 s; the mount may be hanging:`);
  expect([code, stdout]).toEqual([null, '']);
}, 90_000);
