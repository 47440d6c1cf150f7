import { expect, test } from '@jest/globals';
import { createLineBuffer } from './lineBuffer.ts';
import { folderOf, parseLine } from './parseLine.ts';

test('a line that is nested too deep to be written anew stays, as a message, with where it comes from', () => {
  const deep = `{"job":"job-1","role":"worker","x":${'['.repeat(32_000)}${']'.repeat(32_000)}}`;
  const { job, labels, text } = parseLine(deep, 1_700_000_000_000);
  expect([job, labels]).toEqual(['job-1', { job: 'job-1', role: 'worker', level: 'info' }]);
  expect(JSON.parse(text)).toEqual({ job: 'job-1', role: 'worker', level: 'info', time: '2023-11-14T22:13:20.000Z', msg: deep });
});

test('a long line is cut, whatever its fields are', () => {
  const buffer = createLineBuffer(1_000_000);
  buffer.push(`{"level":"warn","pid":${'['.repeat(40_000)}${']'.repeat(40_000)},"msg":"m"}\n`);
  const [line] = buffer.take(1_000_000);
  expect(JSON.parse(line!)).toMatchObject({ level: 'warn', msg: 'm', cutCharacters: expect.any(Number) });
});

test('only the id of a job names a folder', () => {
  expect([folderOf({ job: 'job-1' }), folderOf({ job: '../x' }), folderOf({ job: 'varlogs' }), folderOf({})]).toEqual([
    'job-1',
    'cluster',
    'cluster',
    'cluster',
  ]);
});
