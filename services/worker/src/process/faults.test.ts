import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, expect, test } from '@jest/globals';
import { createFaults, parseFaults } from './faults.ts';

let child: ChildProcess | undefined;
afterEach(() => {
  child?.kill('SIGKILL');
});

/** A process with these faults that goes through steps 0 to 2, each with one phase, and says each that it ends. */
function start(faults: string): { readonly said: string[]; readonly exited: Promise<unknown[]> } {
  const script = `import { createFaults } from ${JSON.stringify(new URL('./faults.js', import.meta.url).href)};
    process.on('message', () => process.send({ ended: 'question' }));
    const { reach } = createFaults(process.env.MAESTRO_FAULTS);
    for (let step = 0; step < 3; step++) { await reach(step, 'apply'); process.send({ ended: step }); }
    process.disconnect();`;
  child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    env: { ...process.env, MAESTRO_FAULTS: faults },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const said: string[] = [];
  child.on('message', (message: { fault?: string; ended?: unknown }) => said.push(message.fault ?? `ended ${message.ended}`));
  return { said, exited: once(child, 'exit') };
}

async function until(holds: () => Promise<boolean> | boolean): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error('waited 20 s in vain');
    await delay(5);
  }
}

test.each([
  ['1/apply/kill', [null, 'SIGKILL']],
  ['1/apply/exit', [1, null]],
])('%s ends the process in that phase of that step, and the parent is told before', async (faults, how) => {
  const { said, exited } = start(faults);
  expect(await exited).toEqual(how);
  expect(said).toEqual(['ended 0', faults]);
});

test('a stop leaves the process stopped until it is continued, and then it goes on', async () => {
  const { said, exited } = start('*/apply/stop');
  await until(async () => / T /.test((await readFile(`/proc/${child!.pid}/stat`, 'utf8')).replace(/^.*\)/, '')));
  expect(said).toEqual(['0/apply/stop']);
  child!.kill('SIGCONT');
  expect(await exited).toEqual([0, null]);
  expect(said).toEqual(['0/apply/stop', 'ended 0', 'ended 1', 'ended 2']);
});

test('a hang never ends its phase, while the process lives', async () => {
  const { said } = start('2/apply/hang');
  await until(() => said.includes('2/apply/hang'));
  child!.send('?');
  await until(() => said.includes('ended question'));
  expect(said).toEqual(['ended 0', 'ended 1', '2/apply/hang', 'ended question']);
});

test('slow is a pause, every time and beside other faults, of which nobody is told', async () => {
  const { said, exited } = start('*/apply/slow,2/apply/exit');
  expect(await exited).toEqual([1, null]);
  expect(said).toEqual(['ended 0', 'ended 1', '2/apply/exit']);
  const { reach } = createFaults('*/forward/slow');
  for (const step of [0, 1]) expect(reach(step, 'forward')).toHaveProperty('then');
  expect(reach(1, 'apply')).toBeUndefined();
});

test('without faults, and at other steps and phases, nothing happens', () => {
  expect(createFaults(undefined).reach(12, 'apply')).toBeUndefined();
  const { reach } = createFaults('12/forward/kill');
  expect(reach(12, 'apply')).toBeUndefined();
  expect(reach(11, 'forward')).toBeUndefined();
});

test('a list is read strictly', () => {
  expect(parseFaults('12/reduce-scatter/kill, 20/forward/stop,*/serve/exit')).toEqual([
    { step: 12, phase: 'reduce-scatter', action: 'kill' },
    { step: 20, phase: 'forward', action: 'stop' },
    { step: undefined, phase: 'serve', action: 'exit' },
  ]);
  for (const [text, why] of [
    ['12/forward', 'MAESTRO_FAULTS: 12/forward: expected STEP/PHASE/ACTION'],
    ['12/forward/kill/now', 'expected STEP/PHASE/ACTION'],
    ['-1/forward/kill', 'step -1: expected a whole number or *'],
    ['1/upward/kill', 'phase upward: expected lease, decode, forward'],
    ['1/forward/pause', 'action pause: expected kill, stop, hang, exit, slow'],
  ]) {
    expect(() => parseFaults(text!)).toThrow(why);
  }
});
