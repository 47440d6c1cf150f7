import { execFile } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createProgram } from '../program.ts';
import { bashCompletion, zshCompletion } from './completionScript.ts';

const run = promisify(execFile);
let dir: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'maestro-completion-'));
  // Stands in for the cluster's answer; the command itself is tried in tests/integration/cli.test.ts.
  const maestro = join(dir, 'maestro');
  await writeFile(
    maestro,
    '#!/bin/sh\n[ "$1" = __names ] && [ "$2" = job ] && printf "job-1\\njob-2\\n"\n[ "$2" = worker ] && echo worker-a\nexit 0\n',
  );
  await chmod(maestro, 0o755);
  await writeFile(join(dir, 'completion.bash'), bashCompletion(createProgram()));
  await writeFile(join(dir, 'job.yaml'), '');
});

afterAll(() => rm(dir, { recursive: true, force: true }));

/** What bash offers for the line, the cursor at its end. */
async function complete(line: string): Promise<string[]> {
  const script = `source ./completion.bash
COMP_WORDS=(${line
    .split(' ')
    .map((word) => `'${word}'`)
    .join(' ')}); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); _maestro; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const env = { ...process.env, PATH: `${dir}${delimiter}${process.env['PATH']}` };
  const { stdout } = await run('bash', ['--norc', '-c', script], { cwd: dir, env });
  return stdout.split('\n').filter((word) => word !== '');
}

test.each([
  ['maestro su', ['submit']],
  ['maestro --data-dir x de', ['demo', 'describe']],
  ['maestro checkpoint ', ['ls', 'verify', 'export']],
  ['maestro describe ', ['job-1', 'job-2']],
  ['maestro --coordinator here:1 checkpoint ls job-2', ['job-2']],
  ['maestro workers drain ', ['worker-a']],
  ['maestro jobs --state pa', ['pausing', 'paused']],
  ['maestro submit --fo', ['--follow']],
  ['maestro submit job', ['job.yaml']],
  ['maestro completion z', ['zsh']],
  ['maestro top --interval ', []],
])('bash completes `%s`', async (line, expected) => {
  expect(await complete(line)).toEqual(expected);
});

test('the script for zsh is the one for bash, run by its emulation', () => {
  const script = zshCompletion(createProgram());
  expect(script).toMatch(/^#compdef maestro\n/);
  expect(script).toContain('bashcompinit');
  expect(script).toContain('complete -F _maestro maestro');
});
