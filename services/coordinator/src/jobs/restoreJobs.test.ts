import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { failureTimeouts, type Job, jobResource, jobResourceSchema, MaestroError, parseJobSpec } from '@maestro/protocol';
import type { Logger } from '@maestro/telemetry';
import { openJobRecords } from '../books/jobRecords.ts';
import { openStore } from '../books/store.ts';
import { queuedRun } from '../run/state/runState.ts';
import { type RedisProcess, startRedisProcess } from '../testing/redisProcess.ts';
import type { Admission } from './admission.ts';
import { newJob } from './jobView.ts';
import { heldJobs, restoreJobs } from './restoreJobs.ts';

let dir: string;
let redis: RedisProcess;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'maestro-restore-'));
  redis = await startRedisProcess(dir);
});
afterEach(async () => {
  await redis.stop();
  await rm(dir, { recursive: true });
});

const spec = parseJobSpec({ data: { format: 'idx', path: '/a' }, schedule: { steps: 20 }, checkpoint: { resumeFrom: '/c/gone' } });
const admission = {
  startPoint: () => Promise.reject(new MaestroError('not-found', 'checkpoint /c/gone: no such folder')),
} as unknown as Admission;

function record(id: string, changes: object = {}): Job {
  return { ...newJob({ id, spec, specJson: JSON.stringify(spec), now: '2026-01-01T00:00:00.000Z' }), ...changes };
}

const runOf = (id: string, changes: object = {}) => ({ ...queuedRun({ id, spec, startPoint: { path: '', step: 0 } }, 3, 0), ...changes });

/** Starts on what Redis holds; gives what was restored, and what was told of. */
async function start() {
  const told: object[] = [];
  const note = (fields: object): void => void told.push(fields);
  const log = { error: note, warn: () => undefined, info: () => undefined, debug: () => undefined } as unknown as Logger;
  const connection = await redis.connect();
  const store = await openStore(connection, failureTimeouts(500), log);
  const records = await openJobRecords({ dataDir: dir, log });
  const jobs = await restoreJobs({ store, records, admission, log });
  const { incarnation } = store;
  await records.close();
  await store.close();
  return { jobs, told, incarnation, client: connection.client };
}

test('whatever lies in the place of lease, incarnation, records or a ledger, a coordinator starts and says what it put aside', async () => {
  const { client } = await redis.connect();
  await client.set('maestro:coordinator', 'not JSON');
  await client.set('maestro:incarnation', '1.8446744073709552e+19');
  await client.lpush('maestro:runs', 'a list');
  await client.hset('maestro:jobs', {
    'job-1': JSON.stringify(record('job-1')),
    'job-2': 'not JSON',
    'job-3': JSON.stringify(record('job-3', { checkpoints: 7 })),
    'job-4': JSON.stringify(record('job-5')),
    'job-6': JSON.stringify(record('job-6', { state: 'succeeded' })),
    'job-7': '[]',
    __proto__: 'null',
  });
  await client.set('maestro:job:job-1:ledger', 'a string');
  const { jobs, told, incarnation } = await start();
  expect(jobs.map(({ job, run, fault }) => [job.id, run.phase, fault])).toEqual([
    ['job-1', 'queued', 'checkpoint /c/gone: no such folder'],
    ['job-6', 'ended', undefined],
  ]);
  expect(incarnation).toBe(1);
  expect(told).toHaveLength(8);
  expect(told).toContainEqual({
    key: 'maestro:jobs job-3',
    aside: 'maestro:set-aside:maestro:jobs job-3',
    problem: 'checkpoints: Invalid input: expected array, received number',
  });
  // Nothing is thrown away.
  expect(await client.hget('maestro:set-aside:maestro:jobs', 'job-2')).toBe('not JSON');
  const kept = await client.keys('maestro:set-aside:*');
  expect(kept.map((key) => key.replace(/^maestro:set-aside:([\d-]+T[\d:.]+Z:)?/, '')).sort()).toEqual([
    'maestro:coordinator',
    'maestro:incarnation',
    'maestro:job:job-1:ledger',
    'maestro:jobs',
    'maestro:runs',
  ]);
  // The next one finds nothing that it could not read.
  const again = await start();
  expect(again.told).toEqual([]);
  expect([again.incarnation, again.jobs.length]).toEqual([2, 2]);
});

test('progress of an older version has its numbers as metrics: those that the recipe names, none before the first step', async () => {
  const former = { step: 4, totalSteps: 20, images: 32, lossFirst: 2, loss: 0.5, lr: 0.001, gradNorm: 3, imagesPerSecond: 8 };
  const measuring = parseJobSpec({ recipe: 'knn', data: { format: 'idx', path: '/a' }, checkpoint: { resumeFrom: '/c/gone' } });
  const metrics = { loss: 0.5, learningRate: 0.001, gradNorm: 3 };
  const jobs = [
    record('job-1', { progress: former }),
    record('job-2', { progress: { ...former, images: 0, loss: 0 } }),
    record('job-3', { progress: { ...former, loss: 0, lossFirst: 0 }, specJson: JSON.stringify(measuring) }),
    record('job-4', { progress: { step: 4, totalSteps: 20, images: 32, metrics, firstMetrics: { loss: 7 } } }),
  ].map((job) => ({ ...job, state: 'succeeded' as const }));
  const { client } = await redis.connect();
  for (const job of jobs) await client.hset('maestro:jobs', job.id, JSON.stringify(job));
  const restored = (await start()).jobs.map(({ job }) => job.progress!);
  expect(restored.map((progress) => [progress.metrics, progress.firstMetrics])).toEqual([
    [metrics, { loss: 2 }],
    [{}, {}],
    [{}, {}],
    [metrics, { loss: 7 }],
  ]);
  expect(restored[0]).not.toHaveProperty('loss');
});

test('a run that is none is put aside, its job begins at its checkpoints; incarnations go on above what runs have seen', async () => {
  const { client } = await redis.connect();
  await client.lpush('maestro:incarnation', 'a list');
  await client.set('maestro:coordinator', JSON.stringify({ nonce: 'x', pid: 1, host: 'elsewhere', machine: 'elsewhere' }));
  const runs = {
    'job-1': JSON.stringify(runOf('job-1', { incarnation: 40, generation: 7, step: 12 })),
    'job-2': JSON.stringify(runOf('job-2', { step: 1e300 })),
    'job-3': JSON.stringify(runOf('job-3', { workers: [{ name: 'a' }] })),
    'job-4': '{"facts":',
  };
  await client.hset('maestro:runs', runs);
  for (const id of Object.keys(runs)) await client.hset('maestro:jobs', id, JSON.stringify(record(id)));
  await client.hset('maestro:job:job-1:ledger', { generation: 1, first: 0, step: 'many', samples: 9, images: 0 });
  await client.hset('maestro:job:job-2:ledger', { generation: 1, first: 0, step: 3, samples: 9, images: 0 });
  const { jobs, incarnation, told } = await start();
  expect(jobs.map(({ job, run }) => [job.id, run.step, run.generation])).toEqual([
    ['job-1', 12, 7],
    ['job-2', 0, 0],
    ['job-3', 0, 0],
    ['job-4', 0, 0],
  ]);
  expect(incarnation).toBe(41);
  // The lease without an end, the incarnation, three runs and a ledger.
  expect(told).toHaveLength(6);
  expect(await client.exists('maestro:job:job-1:ledger', 'maestro:job:job-2:ledger')).toBe(1);
});

test('jobs of a recipe that is not loaded are restored as they are, with the reason; one that is loaded again is not held', async () => {
  const own = { ...spec, recipe: 'denoise', denoise: { sigma: 0.4 } };
  const progress = { step: 4, totalSteps: 20, images: 32, metrics: { loss: 1, psnr: 9 }, firstMetrics: {} };
  const loaded = { type: 'Loaded', status: false, reason: 'RecipeMissing', message: 'of an earlier start', lastTransitionTime: '' };
  const jobs = [
    record('job-1', { specJson: JSON.stringify(own), state: 'succeeded', progress }),
    record('job-2', { specJson: JSON.stringify(own), state: 'running', progress }),
    record('job-3', { specJson: JSON.stringify(own) }),
    record('job-4', { specJson: JSON.stringify({ ...own, model: { preset: 'vit' } }) }),
    record('job-5', { state: 'succeeded', conditions: [loaded] }),
    record('job-6', { specJson: JSON.stringify({ ...spec, later: {} }), state: 'succeeded' }),
  ];
  const { client } = await redis.connect();
  for (const job of jobs) await client.hset('maestro:jobs', job.id, JSON.stringify(job));
  await client.hset('maestro:runs', 'job-2', JSON.stringify(runOf('job-2', { phase: 'running', step: 4, generation: 2 })));
  const { jobs: restored, told } = await start();
  const reason = 'recipe "denoise" is not loaded here: set MAESTRO_RECIPES to its module, and start the coordinator again';
  const other = 'its job file does not go with recipe "mae-pretrain" as it is loaded here: later: unknown key';
  expect(restored.map(({ job, run, held, fault }) => [job.id, run.phase, held?.slice(0, reason.length), fault])).toEqual([
    ['job-1', 'ended', reason, undefined],
    ['job-2', 'running', reason, undefined],
    ['job-3', 'queued', reason, undefined],
    ['job-5', 'ended', undefined, undefined],
    ['job-6', 'ended', expect.stringContaining(other), undefined],
  ]);
  expect(restored[0]!.job.conditions).toEqual([expect.objectContaining({ type: 'Loaded', status: false, message: reason })]);
  expect(restored[1]!.spec).toEqual(own);
  expect(restored[2]!.run.restore).toEqual({ path: '/c/gone', step: 0 });
  expect(restored[3]!.job.conditions).toEqual([]);
  expect(heldJobs(restored)).toEqual({ jobs: 2, reason });
  // What of its file all jobs have in common is wrong.
  expect(told).toEqual([expect.objectContaining({ key: 'maestro:jobs job-4' })]);
  const resource = jobResource(restored[0]!.job, restored[0]!.spec);
  expect(resource.recipe).toMatchObject({ id: 'denoise', does: 'is not loaded here', series: [{ name: 'loss' }, { name: 'psnr' }] });
  expect(jobResourceSchema.shape.spec.parse(resource.spec)).toEqual(own);
  // No new one can be submitted.
  expect(() => parseJobSpec(own)).toThrow('recipe: expected one of "mae-pretrain"|"knn", found "denoise"');
});

test('what precision auto became is found again, whichever of run and record has it', async () => {
  const { client } = await redis.connect();
  const plain = { ...spec, checkpoint: { ...spec.checkpoint, resumeFrom: undefined } };
  const auto = JSON.stringify({ ...plain, precision: 'auto' });
  const choice = { precision: 'float32', reason: 'precision auto: float32, since all have it' };
  await client.hset('maestro:jobs', {
    'job-1': JSON.stringify(record('job-1', { specJson: auto })),
    'job-2': JSON.stringify(record('job-2', { specJson: JSON.stringify({ ...plain, precision: 'float32' }) })),
  });
  await client.hset('maestro:runs', { 'job-1': JSON.stringify(runOf('job-1', { phase: 'paused', choice })) });
  const { jobs } = await start();
  expect(jobs.map(({ job, spec: of, run }) => [JSON.parse(job.specJson).precision, of.precision, run.facts.spec.precision])).toEqual([
    ['float32', 'float32', 'float32'],
    ['float32', 'float32', 'float32'],
  ]);
});
