import { expect, test } from '@jest/globals';
import { parseJobSpec, requireShallow } from '../index.ts';

test('what is nested too deeply is refused before it is read, and brackets within strings are none', () => {
  for (const text of ['['.repeat(100_000), '{"a":'.repeat(100_000), `${'['.repeat(65)}${']'.repeat(65)}`])
    expect(() => requireShallow(text, 'job file')).toThrow(/^job file: nested more than 64 levels deep/);
  for (const text of [`"${'['.repeat(1000)}"`, '[],'.repeat(1000), `${'['.repeat(64)}${']'.repeat(64)}`, `name: 5" [x]\n`])
    expect(() => requireShallow(text, 'job file')).not.toThrow();
});

test('numbers that are none, and batches that no memory holds, are told as they were written', () => {
  const job = (schedule: object) => ({ data: { format: 'idx', path: '/d' }, schedule: { epochs: 1, ...schedule } });
  expect(() => parseJobSpec(job({ microBatch: Number.NaN }))).toThrow(/schedule\.microBatch: .*found NaN/);
  expect(() => parseJobSpec(job({ microBatch: Infinity }))).toThrow(/schedule\.microBatch: .*found Infinity/);
  expect(() => parseJobSpec(job({ microBatch: 50_000_000, lastBatch: 'keep' }))).toThrow(/schedule\.microBatch: .*16384.*found 50000000/);
});
