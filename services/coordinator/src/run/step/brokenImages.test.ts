import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { jobSchedule } from '@maestro/data';
import { parseJobSpec } from '@maestro/protocol';
import { openStore, type Store } from '../../books/store.ts';
import { plannedEntry } from '../../testing/plannedStep.ts';
import { type RedisProcess, startRedisProcess } from '../../testing/redisProcess.ts';
import { type JobRun, queuedRun } from '../state/runState.ts';
import { readLedgerProgress } from './brokenImages.ts';

let dir: string;
let server: RedisProcess;
let store: Store;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'maestro-broken-'));
  server = await startRedisProcess(dir);
  store = await openStore(await server.connect());
});
afterAll(async () => {
  await store?.close();
  await server?.stop();
  await rm(dir, { recursive: true });
});

test('how far the ledger is, and the broken images of its last epoch, are read back from its rows', async () => {
  const spec = parseJobSpec({
    data: { format: 'idx', path: '/data' },
    schedule: { epochs: 3, microBatch: 4, windowSteps: 2 },
    resources: { virtualRanks: 2 },
  });
  const schedule = jobSchedule(spec, 40);
  const fresh = queuedRun({ id: 'job-1', spec, startPoint: { path: '', step: 0 } }, 1, 0);
  const run: JobRun = { ...fresh, common: { by: 'a', identity: {}, datasetLength: 40, stateLength: 1 } };
  const opening = { jobId: 'job-1', generation: 1, step: 0, firstStep: 0, samples: 40 };
  expect(await readLedgerProgress(store, fresh)).toBeUndefined();
  expect(await readLedgerProgress(store, run)).toBeUndefined();
  await store.openGeneration(opening);
  expect(await readLedgerProgress(store, run)).toBeUndefined();
  const commit = (step: number, broken: number[], worker: string) =>
    store.commitStep(plannedEntry(schedule, 'job-1', { step, broken, workers: [worker] }));
  for (let step = 1; step <= 5; step++) await commit(step, [0], 'a');
  expect(await readLedgerProgress(store, run)).toEqual({ step: 5, epoch: 0, broken: 0 }); // the epoch is over
  await commit(6, [0, 1], 'a');
  await commit(7, [1], 'b');
  await commit(8, [], 'a');
  expect(await readLedgerProgress(store, run)).toEqual({ step: 8, epoch: 1, broken: 3 });
});
