import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { jobSchedule } from '@maestro/data';
import { type Job, type JobState, parseJobSpec } from '@maestro/protocol';
import { openStore, type Store } from '../books/store.ts';
import { newJob } from '../jobs/jobView.ts';
import { queuedRun } from '../run/state/runState.ts';
import { plannedEntry } from '../testing/plannedStep.ts';
import { type RedisProcess, startRedisProcess } from '../testing/redisProcess.ts';
import { type AuditedJob, auditJob } from './auditJob.ts';

let dir: string;
let redis: RedisProcess;
let store: Store;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'maestro-audit-job-'));
  redis = await startRedisProcess(dir);
  store = await openStore(await redis.connect());
});
afterAll(async () => {
  await store.close();
  await redis.stop();
  await rm(dir, { recursive: true });
});

const samples = 64;
const spec = parseJobSpec({
  data: { format: 'idx', path: '/a' },
  schedule: { steps: 20, microBatch: 4 },
  resources: { virtualRanks: 2 },
});
const schedule = jobSchedule(spec, samples);

/** A job of which the ledger has `written` steps, that has done `done`. */
async function jobWith(id: string, written: number | undefined, done: number, state: JobState, checkpointStep = done): Promise<AuditedJob> {
  if (written !== undefined) await store.openGeneration({ jobId: id, generation: 1, step: 0, samples, firstStep: 0 });
  for (let step = 1; step <= (written ?? 0); step++) await store.commitStep(plannedEntry(schedule, id, { seed: 0, step, workers: ['a'] }));
  const job: Job = newJob({ id, spec, specJson: JSON.stringify(spec), now: new Date().toISOString() });
  const run = queuedRun({ id, spec, startPoint: { path: '', step: 0 } }, 1, 0);
  const checkpoints = checkpointStep > 0 ? [{ step: checkpointStep, path: '/c', hash: 'h' }] : [];
  return { job: { ...job, state, checkpoints }, run: { ...run, step: done }, unwrittenSteps: 0 };
}

test('a job that has succeeded must have all its steps in the ledger', async () => {
  expect(await auditJob(store, await jobWith('job-1', 20, 20, 'succeeded'))).toMatchObject({ verdict: 'clean', dueStep: 20 });
  // As when the record of its run is gone, too.
  const lacking = await auditJob(store, await jobWith('job-2', 13, 0, 'succeeded'));
  expect(lacking).toMatchObject({ verdict: 'incomplete', isClean: false, step: 13, dueStep: 20 });
});

test('one that has ended otherwise must have those of its last checkpoint, one that goes on those that it has told', async () => {
  expect(await auditJob(store, await jobWith('job-3', 5, 5, 'cancelled', 9))).toMatchObject({ verdict: 'incomplete', dueStep: 9 });
  expect(await auditJob(store, await jobWith('job-4', 5, 8, 'running'))).toMatchObject({ verdict: 'incomplete', dueStep: 8 });
  const behind = { ...(await jobWith('job-5', 5, 8, 'running')), unwrittenSteps: 3 };
  expect(await auditJob(store, behind)).toMatchObject({ verdict: 'clean', dueStep: 5 });
});

test('a ledger that is gone is told from one that never was', async () => {
  await expect(auditJob(store, await jobWith('job-6', undefined, 20, 'succeeded'))).rejects.toMatchObject({
    code: 'not-found',
    message:
      'audit: job job-6 has no ledger: the record is gone: the job is succeeded and has done 20 steps, but Redis holds no ledger of ' +
      'it; was Redis emptied, or does it evict keys? Start the coordinator again: it puts back the ledgers of jobs that have ended',
  });
  await expect(auditJob(store, await jobWith('job-7', undefined, 0, 'queued'))).rejects.toThrow(
    'audit: job job-7 has no ledger: it is queued and no step of it is committed',
  );
});
