import { describe, expect, test } from '@jest/globals';
import { failureTimeouts, parseJobSpec, type Standing, type StepCommitted, type WorkerMessage } from '@maestro/protocol';
import { type JobRun, newWorker, queuedRun } from '../run/state/runState.ts';
import { judgeStanding, whyUnbelievable } from './judgeMessage.ts';

const timeouts = failureTimeouts(5000);
const spec = parseJobSpec({
  data: { format: 'idx', path: '/a' },
  schedule: { steps: 100, microBatch: 1 },
  resources: { virtualRanks: 8, minWorkers: 1 },
});
const members = ['a', 'b'].map((name, i) => ({ name, id: `${name}:1`, address: `${name}:7`, firstRank: 4 * i, ranks: 4 }));
/** A job of a and b that has worked since view 3 and committed 10 steps; c prepares to join, d was in view 2. */
const run: JobRun = {
  ...queuedRun({ id: 'job-1', spec, startPoint: { path: '', step: 0 } }, 1, 0),
  phase: 'running',
  generation: 3,
  step: 10,
  workers: ['a', 'b', 'c'].map((name) => ({ ...newWorker({ name, id: `${name}:1`, address: '' }, 0), generation: name === 'c' ? 0 : 3 })),
  view: { members, startStep: 4, restoreFrom: '', sources: [], holders: [], status: 'working', sinceMs: 0, isAbort: false, reason: '' },
  common: { by: 'a', identity: {}, datasetLength: 800, stateLength: 90 },
  pastViews: [
    { generation: 2, members: [...members, { ...members[0]!, name: 'd', id: 'd:1' }] },
    { generation: 3, members },
  ],
};
/** The same when a coordinator has just taken it over, and b is not back. */
const recovered: JobRun = {
  ...run,
  recoveredMs: 0,
  workers: run.workers.map((each) => (each.id === 'b:1' ? { ...each, awaySinceMs: 0 } : each)),
};

const commit = (step: number, generation = 3, changes: object = {}): StepCommitted => ({
  ...{ jobId: 'job-1', generation, step, metrics: { loss: 1 }, images: 8, stepSeconds: 1 },
  ranks: Array.from({ length: 8 }, () => ({ images: 1, digest: 1, content: 1 })),
  ...changes,
});
const stand = (changes: Partial<Standing> = {}): Standing => ({
  ...{ jobId: 'job-1', generation: 3, status: 'working', step: 10, datasetLength: 800, identityJson: '{}', stateHash: '', reports: [] },
  ...{ errorCode: '', errorMessage: '', suspect: '', shards: [], stateLength: 90, results: {} },
  ...changes,
});
const why = (id: string, message: WorkerMessage, of: JobRun = run, nowMs = 1) =>
  whyUnbelievable(of, `${id}:1`, message, { nowMs, timeouts });
const judge = (id: string, standing: Standing, of: JobRun = run, nowMs = 1) => judgeStanding(of, `${id}:1`, standing, { nowMs, timeouts });

describe('a committed step', () => {
  const committed = (step: number, generation?: number, changes?: object): WorkerMessage => ({
    kind: 'committed',
    ...commit(step, generation, changes),
  });

  test('is believed of the member that reports for its view, one after the other', () => {
    expect(why('a', committed(11))).toBeUndefined();
    expect(why('a', committed(7))).toBeUndefined();
    expect(why('a', committed(12))).toBe('step 12 cannot follow step 10');
    expect(why('b', committed(11))).toBe('it does not report for view 3');
    expect(why('d', committed(11, 2))).toBe('the job does not have the worker');
    expect(why('x', committed(11))).toBe('the job does not have the worker');
    expect(why('a', committed(11, 4))).toBe('it does not report for view 4');
  });

  test('is none before its view has formed, beyond the last, or of another shape', () => {
    expect(why('a', committed(11), { ...run, view: { ...run.view!, status: 'forming' } })).toBe('view 3 is not formed yet');
    expect(why('a', committed(101), { ...run, step: 100 })).toBe("step 101 is beyond the job's 100");
    expect(why('a', committed(11, 3, { images: 9 }))).toBe('step 11 has 8 samples, not 9');
    expect(why('a', committed(11, 3, { metrics: {} }))).toBeUndefined();
    expect(why('a', committed(11, 3, { metrics: { loss: 1, psnr: 20 } }))).toBe('recipe mae-pretrain has no series psnr');
    expect(why('a', committed(11, 3, { ranks: [{ images: 8, digest: 1, content: 1 }] }))).toBe('a step of 1 virtual ranks, the job has 8');
  });

  test('may be ahead while a coordinator has just taken the job over, until all members are back', () => {
    expect(why('a', committed(40, 7), recovered)).toBeUndefined();
    expect(why('a', committed(101, 7), recovered)).toBe("step 101 is beyond the job's 100");
    expect(why('a', committed(40), recovered, 60_000)).toBe('step 40 cannot follow step 10');
    expect(why('a', committed(40), { ...run, recoveredMs: 0 })).toBe('step 40 cannot follow step 10');
  });
});

test('a checkpoint is believed of who was in the job, of a step that was reached', () => {
  const checkpoint = (step: number): WorkerMessage => ({ kind: 'checkpoint', jobId: 'job-1', generation: 3, step, path: '/c', hash: '' });
  expect(why('d', checkpoint(10))).toBeUndefined();
  expect(why('a', checkpoint(11))).toBe('a checkpoint of step 11, which was not reached');
  expect(why('x', checkpoint(10))).toBe('the job does not know the worker');
});

test('all else is believed of who works for the job, and of images and files of who has been in a view', () => {
  const of = { jobId: 'job-1', generation: 3, step: 10 };
  const skipped: WorkerMessage = { kind: 'skipped', ...of, images: [] };
  expect(['a', 'c', 'd', 'x'].map((id) => why(id, skipped) === undefined)).toEqual([true, false, false, false]);
  const drain: WorkerMessage = { kind: 'drain', jobId: 'job-1', reason: '' };
  expect(['a', 'c', 'd', 'x'].map((id) => why(id, drain) === undefined)).toEqual([true, true, false, false]);
});

describe('where a worker stands', () => {
  test('is believed as far as it follows from what is known', () => {
    expect(judge('b', stand())).toEqual({ standing: stand() });
    const ahead = stand({ step: 12, reports: [commit(10), commit(11), commit(12)] });
    expect(judge('b', ahead)).toEqual({ standing: stand({ step: 12, reports: [commit(11), commit(12)] }) });
    const gap = judge('b', stand({ step: 14, reports: [commit(11), commit(13), commit(14)] }));
    expect(gap).toEqual({ standing: stand({ step: -1, reports: [commit(11)] }), problem: 'step 13 cannot follow step 11' });
  });

  test('gives nobody a state that was not reached, whole or in part', () => {
    const shard = { first: 0, length: 45, isWhole: false, isStored: false };
    const shards = [
      { step: 10, ...shard },
      { step: 99, ...shard },
      { step: 10, ...shard, length: 91 },
    ];
    const { standing, problem } = judge('b', stand({ step: 99, shards }));
    expect(standing).toMatchObject({ step: -1, shards: [shards[0]] });
    expect(problem).toBe('it holds a state of a step beyond 10, which was not reached');
  });

  test('is none in a job that does not know the worker, nor in a view that there was not', () => {
    expect(judge('x', stand())).toEqual({ problem: 'the job does not know the worker' });
    expect(judge('b', stand({ generation: 4 }))).toEqual({ problem: 'there was no view 4, the newest is 3' });
    expect(judge('d', stand({ generation: 2, status: 'held' })).standing).toMatchObject({ generation: 2, step: 10 });
  });

  test('may be of a view that was forgotten while a coordinator has just taken the job over', () => {
    expect(judge('x', stand({ generation: 5, step: 30 }), recovered).standing).toMatchObject({ generation: 5, step: 30 });
    expect(judge('x', stand({ generation: 3 }), recovered)).toEqual({ problem: 'the job does not know the worker' });
    expect(judge('x', stand({ generation: 5000 }), recovered).standing).toBeUndefined();
    expect(judge('x', stand({ generation: 5 }), recovered, 60_000).standing).toBeUndefined();
    expect(judge('a', stand({ step: 101 }), recovered).standing).toMatchObject({ step: -1 });
  });
});
