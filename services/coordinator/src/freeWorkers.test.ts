import { expect, test } from '@jest/globals';
import { failureTimeouts, type MemberStatus, parseJobSpec, type Standing } from '@maestro/protocol';
import { placeJobs } from './placement/placement.ts';
import { placementInput } from './placement/placementInput.ts';
import { transition } from './run/jobRun.ts';
import { type JobRun, openPlaces, queuedRun, type RunEffect, type RunEvent } from './run/state/runState.ts';

/**
 * What keeps workers that others could use: a job that cannot be opened, a worker that does not leave, a last checkpoint that cannot be
 * written.
 */
const timeouts = failureTimeouts(5000);
const JOB = 'job-1';
const STEPS = 10;
const spec = parseJobSpec({
  data: { format: 'idx', path: '/data' },
  schedule: { steps: STEPS, microBatch: 1 },
  resources: { virtualRanks: 8, minWorkers: 1 },
});
const ref = (name: string) => ({ name, id: `${name}:1`, address: `${name}:7` });
const standing = (status: MemberStatus, generation: number, step: number): Standing => ({
  jobId: JOB,
  generation,
  status,
  step,
  datasetLength: 800,
  identityJson: '{}',
  stateHash: '',
  reports: [],
  errorCode: '',
  errorMessage: '',
  suspect: '',
  shards: [],
  stateLength: 90,
  results: {},
});

/** A run, and what has been done for it, with a clock that is set by hand. */
function openRun() {
  let run: JobRun = queuedRun({ id: JOB, spec, startPoint: { path: '', step: 0 } }, 1, 0);
  let nowMs = 0;
  let effects: RunEffect[] = [];
  const take = (event: RunEvent): void => {
    const next = transition(run, event, { nowMs, timeouts });
    run = next.run;
    effects = [...effects, ...next.effects];
  };
  const beat = (name: string, phase: string, waitingFor = '', phaseSeconds = 0): void =>
    take({
      type: 'heartbeat',
      workerId: `${name}:1`,
      heartbeat: { jobId: JOB, generation: run.generation, step: run.step, phase, phaseSeconds, waitingFor, rankSeconds: 0 },
    });
  return {
    take,
    beat,
    get run() {
      return run;
    },
    /** What was sent since this was last asked. */
    sent() {
      const all = effects;
      effects = [];
      return all.flatMap((effect) =>
        effect.type === 'send'
          ? [
              `${effect.message.kind} ` +
                `${effect.workerId}${effect.message.kind === 'release' && effect.message.writeCheckpoint ? ' with checkpoint' : ''}`,
            ]
          : effect.type === 'disconnect'
            ? [`disconnect ${effect.workerId}`]
            : [],
      );
    },
    stand: (name: string, status: MemberStatus, step = -1) =>
      take({ type: 'standing', worker: ref(name), standing: standing(status, status === 'ready' ? 0 : run.generation, step) }),
    /** Lets time pass, with a sign of life of each worker a second. */
    pass(ms: number, phases: Readonly<Record<string, readonly [phase: string, waitingFor?: string]>>) {
      for (const endMs = nowMs + ms; nowMs < endMs; ) {
        nowMs += 1000;
        for (const [name, [phase, waitingFor]] of Object.entries(phases)) beat(name, phase, waitingFor, ms / 1000);
        take({ type: 'tick' });
      }
    },
  };
}

test('a data set that does not answer has its name in the message, and ends the job after its deadline', () => {
  const job = openRun();
  job.take({ type: 'assigned', workers: [ref('a')] });
  job.pass(12_000, { a: ['preparing', 'it opens the data set /mnt/gone'] });
  expect(job.run.message).toBe('a prepares the model; a since 00:00:00: it opens the data set /mnt/gone');
  job.pass(timeouts.prepareMs - 12_000, { a: ['preparing', 'it opens the data set /mnt/gone'] });
  expect(job.run.phase).toBe('starting');
  job.pass(1000, { a: ['preparing', 'it opens the data set /mnt/gone'] });
  expect(job.run.phase).toBe('stopping');
  expect(job.sent().at(-1)).toBe('release a:1');
  expect(job.run.outcome).toMatchObject({
    state: 'failed',
    reason: 'PrepareTimeout',
    message: 'a: it did not open what the job needs within 901.0 s (it opens the data set /mnt/gone)',
  });
});

test('where others have opened it, the one that does not is sent away, and the job continues', () => {
  const job = openRun();
  job.take({ type: 'assigned', workers: [ref('a'), ref('b')] });
  job.stand('a', 'ready');
  job.pass(timeouts.prepareMs + 1000, { a: ['ready'], b: ['preparing'] });
  expect(job.run.phase).toBe('starting');
  expect(job.run.refusals.map(({ name }) => name)).toEqual(['b']);
  expect(job.run.view?.members.map(({ name }) => name)).toEqual(['a']);
});

test('a cancel waits for no worker that does not leave: it is let go after a while, however long its thread hangs', () => {
  const job = openRun();
  job.take({ type: 'assigned', workers: [ref('a')] });
  job.take({ type: 'cancel', reason: 'on request' });
  expect(job.sent().at(-1)).toBe('release a:1');
  job.pass(timeouts.holdMs, { a: ['preparing'] });
  expect(job.run.phase).toBe('stopping');
  job.pass(1000, { a: ['preparing'] });
  expect(job.sent()).toEqual(['disconnect a:1']);
  expect(job.run).toMatchObject({ phase: 'ended', workers: [], outcome: { state: 'cancelled' } });
});

/** A job of two that has done all its steps; `a` writes the last checkpoint. */
function finishing() {
  const job = openRun();
  job.take({ type: 'assigned', workers: [ref('a'), ref('b')] });
  for (const name of ['a', 'b']) job.stand(name, 'ready');
  for (const name of ['a', 'b']) job.stand(name, 'formed', 0);
  for (let step = 1; step <= STEPS; step++) {
    const committed = { jobId: JOB, generation: 1, step, metrics: { loss: 1 }, images: 8, stepSeconds: 1, ranks: [] };
    job.take({ type: 'committed', workerId: 'a:1', committed });
  }
  job.stand('b', 'finished', STEPS);
  return job;
}
const failed = (job: ReturnType<typeof openRun>, errorMessage: string) =>
  job.take({ type: 'checkpointFailed', workerId: 'a:1', failed: { jobId: JOB, step: STEPS, errorMessage } });

test('a last checkpoint that is slow is said, and one that cannot be written frees all workers but the one that tries', () => {
  const job = finishing();
  job.pass(6000, { a: ['checkpoint'], b: ['finished'] });
  expect(job.run.message).toBe('all 10 steps are done; a writes the last checkpoint since 00:00:00');
  expect(job.run.workers.every(({ isReleased }) => !isReleased)).toBe(true);
  failed(job, 's3://runs: no answer');
  job.pass(1000, { a: ['checkpoint'], b: ['finished'] });
  expect(job.run.message).toBe('all 10 steps are done; a writes the last checkpoint since 00:00:00; it could not: s3://runs: no answer');
  expect(job.sent().at(-1)).toBe('release b:1');
  job.take({
    type: 'left',
    workerId: 'b:1',
    left: { jobId: JOB, generation: 1, step: STEPS, outcome: 'released', errorCode: '', errorMessage: '' },
  });
  expect(job.run.phase).toBe('running');
  // Nobody is given to it in place of the one that left.
  const connected = ['a', 'b'].map((name) => ({
    hello: { ...ref(name), device: 'cpu' },
    jobId: name === 'a' ? JOB : '',
    isDrained: false,
  }));
  const situation = { runs: [job.run], workers: connected, nowMs: 60_000, silenceMs: 5000, startedMs: 0 };
  expect([openPlaces(job.run), placeJobs(placementInput(situation))]).toEqual([0, []]);
  job.pass(120_000, { a: ['checkpoint'] }); // it is evicted by nobody
  expect(job.run).toMatchObject({ phase: 'running', generation: 1 });
  job.stand('a', 'finished', STEPS);
  expect(job.run.outcome).toMatchObject({ state: 'succeeded', message: 'finished after 10 steps' });
});

test('who cancels a job whose last checkpoint cannot be written does not wait for another try; one that is being written is', () => {
  const stuck = finishing();
  failed(stuck, 'no answer');
  stuck.take({ type: 'cancel', reason: 'on request' });
  expect(stuck.sent().slice(-2)).toEqual(['release a:1', 'release b:1']);
  const writing = finishing();
  writing.pass(6000, { a: ['checkpoint'], b: ['finished'] });
  writing.take({ type: 'cancel', reason: 'on request' });
  expect(writing.sent().slice(-2)).toEqual(['release a:1 with checkpoint', 'release b:1']);
});
