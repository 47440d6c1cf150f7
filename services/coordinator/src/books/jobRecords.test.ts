import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { Job } from '@maestro/protocol';
import { createLogger } from '@maestro/telemetry';
import { until } from '../testing/until.ts';
import { type JobRecords, openJobRecords } from './jobRecords.ts';
import { mergeRecords } from './keepRecords.ts';

let dataDir: string;
let lines: string[];
const opened: JobRecords[] = [];
const open = async (): Promise<JobRecords> => {
  const records = await openJobRecords({
    dataDir,
    log: createLogger({ role: 'test', destination: { write: (line) => lines.push(line) } }),
  });
  opened.push(records);
  return records;
};
beforeEach(async () => {
  lines = [];
  dataDir = await mkdtemp(join(tmpdir(), 'maestro-records-'));
});
afterEach(async () => {
  // What is still being written would come into the folder while it is removed.
  for (const records of opened.splice(0)) await records.close();
  await rm(dataDir, { recursive: true });
});
const job = (id: string, more: Partial<Job> = {}) =>
  ({ id, name: id, specJson: '{}', state: 'queued', generation: 0, checkpoints: [], endedAt: '', ...more }) as unknown as Job;

test('jobs come back as they were last, oldest first, with run and key', async () => {
  const records = await open();
  await Promise.all(Array.from({ length: 100 }, (_, i) => records.add({ job: job(`job-${1000 - i}`), key: `k${i}` })));
  records.note(job('job-950', { state: 'running', generation: 1 }), { phase: 'running' });
  records.note(job('job-950', { state: 'succeeded', generation: 1 }), { phase: 'ended' });
  await records.close();
  const loaded = await (await open()).load();
  expect(loaded.map((record) => record.job.id)).toEqual(Array.from({ length: 100 }, (_, i) => `job-${901 + i}`).sort());
  expect(loaded.find((record) => record.job.id === 'job-950')).toEqual({
    job: job('job-950', { state: 'succeeded', generation: 1 }),
    run: { phase: 'ended' },
    key: 'k50',
  });
});

test('progress alone writes nothing, and a run that is not given stays', async () => {
  const records = await open();
  await records.add({ job: job('job-1'), run: { phase: 'queued' } });
  records.note(job('job-1', { message: 'step 5' }), { phase: 'later' });
  records.note(job('job-1', { state: 'paused' }), undefined);
  await records.close();
  const [loaded] = await (await open()).load();
  expect(loaded).toEqual({ job: job('job-1', { state: 'paused' }), run: { phase: 'queued' } });
});

test('a file that cannot be read is left and named; the others are read', async () => {
  const first = await open();
  await first.add({ job: job('job-1') });
  await first.close();
  await writeFile(join(dataDir, 'records/job-2.json'), '{"job": {"id": "job-2"');
  await writeFile(join(dataDir, 'records/job-3.json'), JSON.stringify({ job: job('job-4') }));
  expect((await (await open()).load()).map((record) => record.job.id)).toEqual(['job-1']);
  // They are read beside each other.
  expect(lines.map((line) => (JSON.parse(line) as { file: string }).file).toSorted()).toEqual(
    ['job-2', 'job-3'].map((id) => join(dataDir, `records/${id}.json`)),
  );
  expect(await readdir(join(dataDir, 'records'))).toContain('job-2.json');
});

test('a disk that refuses holds up nobody, is said, and gets all of it when it is back', async () => {
  await writeFile(join(dataDir, 'records'), 'in the way');
  const records = await open();
  await records.add({ job: job('job-1') });
  records.note(job('job-1', { state: 'running' }), { phase: 'running' });
  expect(records.problem()).toMatch(/^since .* job records cannot be written to .*EEXIST/);
  await rm(join(dataDir, 'records'));
  await until('they are written', () => records.problem() === undefined);
  await records.close();
  expect(await (await open()).load()).toEqual([{ job: job('job-1', { state: 'running' }), run: { phase: 'running' } }]);
});

test('a job that is retired is listed no more, and its files are kept', async () => {
  const records = await open();
  await records.add({ job: job('job-1') });
  await records.saveLedger('job-1', { step: '3' });
  expect(await records.loadLedger('job-1')).toEqual({ step: '3' });
  expect(await records.recall('job-1')).toBeUndefined();
  expect(await records.retire(job('job-1'), undefined)).toBe(true);
  expect(await records.load()).toEqual([]);
  expect((await readdir(join(dataDir, 'records/retired'))).sort()).toEqual(['job-1.json', 'job-1.ledger.json']);
  const again = await open();
  expect(await again.recall('job-1')).toEqual({ job: job('job-1') });
  expect(await again.loadLedger('job-1')).toEqual({ step: '3' });
  expect(await again.recall('../records/retired/job-1')).toBeUndefined();
});

test('the record of a job that is retired is on disk, whatever became of its file', async () => {
  const records = await open();
  await records.add({ job: job('job-1'), key: 'monday' });
  await rm(join(dataDir, 'records'), { recursive: true });
  expect(await records.retire(job('job-1'), { phase: 'ended' })).toBe(true);
  expect(await records.recall('job-1')).toEqual({ job: job('job-1'), run: { phase: 'ended' }, key: 'monday' });
  records.note(job('job-2'), undefined);
  expect(await records.retire(job('job-2'), undefined)).toBe(false);
});

test('Redis is believed, but what has ended stays ended, and what it lacks it is given', () => {
  const inRedis = [
    { job: job('job-1', { state: 'running' }), run: { step: 7 } },
    { job: job('job-2', { state: 'running' }), run: { step: 7 } },
    { job: job('job-4', { state: 'cancelled' }), run: {} },
  ];
  const files = [
    { job: job('job-1', { state: 'queued' }) },
    { job: job('job-2', { state: 'succeeded' }), run: { phase: 'ended' } },
    { job: job('job-3'), key: 'monday' },
    { job: job('job-4', { state: 'running' }) },
  ];
  const { jobs, lost } = mergeRecords(inRedis, files);
  expect(jobs.map((stored) => [stored.job.id, stored.job.state])).toEqual([
    ['job-1', 'running'],
    ['job-2', 'succeeded'],
    ['job-3', 'queued'],
    ['job-4', 'cancelled'],
  ]);
  expect(lost.map((record) => [record.job.id, record.key])).toEqual([
    ['job-2', undefined],
    ['job-3', 'monday'],
  ]);
});
