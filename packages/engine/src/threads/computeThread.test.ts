import { expect, test } from '@jest/globals';
import type { BreakableCalls } from '../testing/breakableMain.ts';
import { startComputeThread } from './computeThread.ts';

const start = (failAtStart = false) =>
  startComputeThread<BreakableCalls, string>({
    name: 'breakable',
    entry: new URL('../testing/breakableMain.js', import.meta.url),
    options: { failAtStart },
  });

test('a thread answers calls, and carries errors across with code, message, details and stack', async () => {
  const thread = await start();
  expect(thread.ready).toBe('open');
  expect(await thread.call('echo', 'yes')).toBe('yes');
  const error = await thread.call('refuse', 'too late').catch((caught: unknown) => caught);
  expect(error).toMatchObject({ name: 'MaestroError', code: 'conflict', message: 'too late', details: { reason: 'too late' } });
  expect((error as Error).stack).toContain('breakableMain');
  expect(await thread.call('echo', 'still here')).toBe('still here');
  await thread.close();
});

test('an error on the way to readiness is the error of the start', async () => {
  await expect(start(true)).rejects.toMatchObject({ code: 'not-found', message: 'breakable: no such model', details: { path: 'm.onnx' } });
});

test('a thread that ends rejects the calls that wait, and every later one, with what happened', async () => {
  const thread = await start();
  const waiting = [thread.call('exit', 3), thread.call('echo', 'lost')];
  const results = await Promise.allSettled(waiting);
  expect(results.map((result) => result.status === 'rejected' && (result.reason as Error).message)).toEqual([
    'breakable: exit has no answer: the compute thread ended with exit code 3',
    'breakable: echo has no answer: the compute thread ended with exit code 3',
  ]);
  await expect(thread.call('echo', 'late')).rejects.toMatchObject({
    code: 'unavailable',
    message: 'breakable: echo was not started: the compute thread ended with exit code 3',
  });
  await thread.close();
});

test('a thread that crashes names the error that ended it', async () => {
  const thread = await start();
  await expect(thread.call('crash', 'out of luck')).rejects.toThrow(
    'breakable: crash has no answer: the compute thread crashed: out of luck',
  );
  await thread.close();
});

test('a caller that does not await is stopped before the queue grows', async () => {
  const thread = await start();
  const calls = Array.from({ length: 65 }, (_, i) => thread.call('echo', `${i}`));
  const results = await Promise.allSettled(calls);
  expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(64);
  expect(results[64]).toMatchObject({ status: 'rejected', reason: { message: expect.stringContaining('64 calls already wait') } });
  await thread.close();
});
