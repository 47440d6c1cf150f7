import { expect, test } from '@jest/globals';
import { type Job, parseJobSpec } from '@maestro/protocol';
import { createLogger } from '@maestro/telemetry';
import type { JobRecordFile } from '../books/jobRecords.ts';
import type { ActiveJob } from '../run/activeJob.ts';
import { queuedRun } from '../run/state/runState.ts';
import { newJob } from './jobView.ts';
import { createRetiredJobs } from './retiredJobs.ts';

const spec = parseJobSpec({ data: { format: 'idx', path: '/data' }, schedule: { epochs: 1 } });

/** Jobs `job-1` to `job-5`, all of which have ended; two are kept. */
function open() {
  const booked = new Set<string>();
  const jobs = new Map<string, ActiveJob>();
  const disk = new Map<string, JobRecordFile>();
  const removed: string[] = [];
  const activeOf = (job: Job): ActiveJob =>
    ({
      job,
      get isBooked() {
        return booked.has(job.id);
      },
    }) as ActiveJob;
  for (let i = 1; i <= 5; i++) {
    const id = `job-${i}`;
    const job: Job = { ...newJob({ id, spec, specJson: JSON.stringify(spec), now: '2026-01-01T00:00:00Z' }), state: 'succeeded' };
    jobs.set(id, activeOf(job));
  }
  const disaster = { isDiskFull: false };
  const retired = createRetiredJobs({
    jobs,
    keepJobs: 2,
    store: {
      async removeJob(id) {
        removed.push(id);
      },
    },
    records: {
      async retire(job) {
        if (disaster.isDiskFull) throw new Error('no space left');
        disk.set(job.id, { job });
        return true;
      },
      recall: async (id) => disk.get(id),
    },
    restore: async (job) => ({ job, spec, run: queuedRun({ id: job.id, spec, startPoint: { path: '', step: 0 } }, 1, 0) }),
    open: ({ job }) => activeOf(job),
    log: createLogger({ role: 'test', level: 'silent' }),
  });
  return { retired, jobs, removed, booked, disk, disaster };
}

test('of jobs that have ended those are kept that ended last, whenever they were submitted', async () => {
  const { retired, jobs, removed } = open();
  for (const id of ['job-5', 'job-1', 'job-2', 'job-2', 'job-3']) await retired.ended(id);
  expect(removed).toEqual(['job-5', 'job-1']);
  expect([...jobs.keys()]).toEqual(['job-2', 'job-3', 'job-4']);
});

test('a job whose record is still being written, or cannot be, stays until another ends', async () => {
  const { retired, removed, booked, disaster } = open();
  booked.add('job-1');
  for (const id of ['job-1', 'job-2', 'job-3']) await retired.ended(id);
  expect(removed).toEqual([]);
  booked.clear();
  disaster.isDiskFull = true;
  await retired.ended('job-4');
  expect(removed).toEqual([]);
  disaster.isDiskFull = false;
  await retired.ended('job-5');
  expect(removed).toEqual(['job-1', 'job-2', 'job-3']);
});

test('a retired job is read from disk by its id, and is then at hand', async () => {
  const { retired, jobs, disk } = open();
  for (const id of ['job-1', 'job-2', 'job-3']) await retired.ended(id);
  expect(retired.get('job-1')).toBeUndefined();
  expect((await retired.recall('job-1'))?.job).toMatchObject({ id: 'job-1', state: 'succeeded' });
  expect(retired.get('job-1')?.job.id).toBe('job-1');
  expect(jobs.has('job-1')).toBe(false);
  expect(await retired.recall('job-9')).toBeUndefined();
  const { job } = disk.get('job-1')!;
  disk.set('job-8', { job: { ...job, id: 'job-8', specJson: 'none' } });
  expect(await retired.recall('job-8')).toBeUndefined();
});
