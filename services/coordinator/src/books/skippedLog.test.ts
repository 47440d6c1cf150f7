import { expect, test } from '@jest/globals';
import { createSkippedLog } from './skippedLog.ts';

function openLog() {
  const told: string[] = [];
  const tell = (level: string) => (fields: object | string) => void told.push(`${level} ${(fields as { readonly image: string }).image}`);
  const log = createSkippedLog('job-1', { warn: tell('warn'), debug: tell('debug') });
  const note = (...names: string[]): void => log.note('a', { step: 3, images: names.map((name) => ({ name, reason: 'cut off' })) });
  return { told, log, note };
}

test('an image is told of loudly once', () => {
  const { told, note } = openLog();
  note('1.png', '2.png');
  note('2.png', '3.png');
  expect(told).toEqual(['warn 1.png', 'warn 2.png', 'debug 2.png', 'warn 3.png']);
});

test('names are remembered up to a bound, and dropped when the job ends', () => {
  const { told, log, note } = openLog();
  note(...Array.from({ length: 1500 }, (_, i) => `${i}.png`));
  expect(log.known).toBe(1000);
  log.end();
  expect(log.known).toBe(0);
  note('late.png');
  expect([log.known, told.at(-1)]).toEqual([0, 'debug late.png']);
});
