import { expect, test } from '@jest/globals';
import { findJob } from './findJob.ts';

const job = (id: string, name: string) => ({ id, name, state: 'running' as const, createdAt: '2026-01-01T00:00:00.000Z' });
const [a, b, c] = ['job-01m8n7xvxn8w8255e7vv3t189f', 'job-01m8n7y0kzesmpkz641ybhxd6e', 'job-01m8n7y46pbtzc8gj6bpqd4zs4'] as const;
const jobs = [job(a, 'night'), job(b, 'day'), job(c, 'night')];

test('a job is found by its id, by a prefix that it alone has, by its name, and as the newest', () => {
  for (const reference of [b, 'job-01m8n7y0', '01m8n7y0k', 'day']) expect(findJob(reference, jobs)).toBe(b);
  expect(findJob('@last', jobs)).toBe(c);
});

test('where several are meant they are listed, the newest first', () => {
  expect(() => findJob('night', jobs)).toThrow(
    `job night: 2 jobs have this name; use an id: ${c} (night, running, submitted 2026-01-01T00:00:00.000Z); ${a} (night,`,
  );
  expect(() => findJob('job-01m8n7y', jobs)).toThrow('the ids of 2 jobs have this prefix');
  const many = Array.from({ length: 25 }, (_, i) => job(`job-${i}`, 'same'));
  expect(() => findJob('same', many)).toThrow('; and 15 older ones');
});

test('what no job is called is told with what may have been meant; a prefix of a few characters is none', () => {
  expect(() => findJob('dya', jobs)).toThrow(
    'job dya: not found; `maestro jobs` lists jobs; older ones need their full id; did you mean day?',
  );
  for (const reference of ['job-01m', 'job-', 'j', 'nothing like it']) expect(() => findJob(reference, jobs)).toThrow('not found');
  expect(() => findJob('@last', [])).toThrow('there are no jobs yet');
});

test('an id goes before a name that looks like it', () => {
  expect(findJob(a, [job(a, 'x'), job(b, a)])).toBe(a);
});

test('a name with control characters is quoted without their effects', () => {
  const hostile = [job(a, 'x\ny\u202e'), job(b, 'x\ny\u202e')];
  expect(() => findJob('job-01m8n7', hostile)).toThrow(`${b} (x\\ny?, running`);
  expect(() => findJob('x\ny\u202e', hostile)).toThrow('job x\\ny?: 2 jobs have this name');
  expect(() => findJob('x\nyy', hostile)).toThrow('not found');
});
