import { expect, test } from '@jest/globals';
import { logText } from './logText.ts';

const time = '2025-01-31T12:34:56.789Z';
const shown = (fields: object): string => logText(JSON.stringify({ time, ...fields })).replace(/^\d\d:\d\d:\d\d/, '<time>');

test('a line has time, level, who, what and the other fields', () => {
  const fields = {
    level: 'info',
    pid: 7,
    role: 'worker',
    worker: 'worker-a',
    job: 'job-1',
    generation: 2,
    seconds: 1.23456789,
    reason: 'it is slow',
    msg: 'view over',
  };
  expect(shown(fields)).toBe('<time>.789 INFO  worker-a    view over  generation=2 seconds=1.23457 reason="it is slow"');
  expect(shown({ level: 'warn', role: 'coordinator', msg: 'job changed' })).toBe('<time>.789 WARN  coordinator job changed');
});

test('an error shows its code and message, not its stack', () => {
  const error = { name: 'MaestroError', code: 'peer-lost', message: 'worker-b is gone', stack: 'Error\n  at x' };
  expect(shown({ level: 'error', role: 'worker', error, msg: 'member failed' })).toMatch(
    /member failed {2}error.code=peer-lost error="worker-b is gone"$/,
  );
});

test('control characters do not reach the terminal, whatever field they are in', () => {
  const evil = '\u001b]0;owned\u0007\u009b2J\nnext';
  const line = shown({ level: evil, worker: evil, msg: evil, reason: evil, [evil]: 1, deep: { evil } });
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not come through
  expect(line).not.toMatch(/[\x00-\x1f\x7f-\x9f]/);
  expect(logText(evil)).toBe('?]0;owned??2J\\nnext');
});

test('colours are for terminals', () => {
  expect(logText(JSON.stringify({ time, level: 'error', msg: 'x' }), { isColoured: true })).toContain('\u001b[31mERROR');
});
