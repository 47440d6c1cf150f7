import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { identifyProcess, isRunning, mayRun, processStart, startFromPs } from './processIdentity.ts';

test('a process that has the id of another that ended is not that one', () => {
  const self = identifyProcess();
  expect(self).toEqual({ pid: process.pid, started: expect.stringMatching(/^[0-9a-f]{12}$/) });
  expect([isRunning(self), mayRun(self)]).toEqual([true, true]);
  const before = { pid: process.pid, started: '0123456789ab' };
  expect([isRunning(before), mayRun(before)]).toEqual([false, false]);
});

test('a record without a start is not signalled, and not taken for dead', () => {
  expect(isRunning({ pid: process.pid })).toBe(false);
  expect(mayRun({ pid: process.pid })).toBe(true);
});

test('ids that mean all processes, or a group, are nobody’s', () => {
  for (const pid of [0, -1, -process.pid, 1.5, Number.NaN, 2 ** 31]) expect(isRunning({ pid })).toBe(false);
});

test('processes that start one after the other have different starts, and one that has ended has none', async () => {
  const child = spawn('sleep', ['60']);
  await once(child, 'spawn');
  const identity = identifyProcess(child.pid);
  expect(isRunning(identity)).toBe(true);
  expect(identity.started).not.toBe(processStart(process.pid));
  // The same answer each time, also without /proc.
  expect(processStart(child.pid!)).toBe(identity.started);
  if (process.platform !== 'win32') expect(startFromPs(process.pid)).toMatch(/^\w{3} \w{3} +\d+ \d\d:\d\d:\d\d \d{4}$/);
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect([isRunning(identity), mayRun(identity), processStart(child.pid!), startFromPs(child.pid!)]).toEqual([
    false,
    false,
    undefined,
    undefined,
  ]);
});

test('the start is found behind a name with brackets and blanks', async () => {
  if (process.platform !== 'linux') return;
  const child = spawn(process.execPath, ['-e', "process.title = 'a) R 1 1 (b'; console.log('named'); setInterval(() => {}, 1000)"], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const before = processStart(child.pid!);
  await once(child.stdout, 'data');
  expect(readFileSync(`/proc/${child.pid}/stat`, 'utf8')).toContain('a) R 1 1 (b');
  expect(processStart(child.pid!)).toBe(before);
  child.kill('SIGKILL');
  await once(child, 'exit');
});
