import { expect, test } from '@jest/globals';
import { failureTimeouts, type MemberStatus, parseJobSpec, type Standing, type StateHolder, type StepCommitted } from '@maestro/protocol';
import { newJob, withRun } from '../jobs/jobView.ts';
import { transition } from './jobRun.ts';
import { type JobFacts, type JobRun, queuedRun, type RunEffect, type RunEvent } from './state/runState.ts';

const JOB = 'job-1';
const timeouts = failureTimeouts(5000);

/** Elements of the parameter vector of these scenarios. */
const LENGTH = 90;

const factsOf = (resources: object = {}, sync?: object, optimizer: object = {}): JobFacts => ({
  id: JOB,
  spec: parseJobSpec({
    data: { format: 'idx', path: '/data' },
    schedule: { steps: 1000, microBatch: 1, windowSteps: 8 },
    resources: { virtualRanks: 8, minWorkers: 1, ...resources },
    ...(sync && { sync }),
    optimizer,
  }),
  startPoint: { path: '', step: 0 },
});
const worker = (name: string) => ({ name, id: `${name}:1`, address: `${name}:7` });
const reportOf = (generation: number, step: number, images = 8): StepCommitted => ({
  jobId: JOB,
  generation,
  step,
  metrics: { loss: 1 },
  images,
  stepSeconds: 1,
  ranks: [],
});

/**
 * `held a 4 peer-lost b`: where a worker stands, its step, its error and whom it blames; `threads=2` and `device=webgpu` make its identity
 * another. `4:0+30` is a part of a state that it holds: of step 4, elements 0..29, and all parameters; with `?` only those of its elements,
 * with `!` on disk. `accuracy=0.75` is what it has measured.
 */
function standing(status: MemberStatus, words: readonly string[], generation: number): Standing {
  const identity = words.find((word) => word.startsWith('threads=')) ?? 'threads=1';
  const device = words.find((word) => word.startsWith('device='))?.slice(7) ?? 'cpu';
  const isPart = (word: string): boolean => word.includes('+');
  const accuracy = words.find((word) => word.startsWith('accuracy='))?.slice(9);
  const others = words.filter((word) => !/^((threads|device|data|accuracy)=|g)/.test(word) && !isPart(word));
  const [step = '-1', errorCode = '', suspect = ''] = others;
  const of = Number(words.find((word) => /^g\d/.test(word))?.slice(1) ?? generation);
  return {
    jobId: JOB,
    generation: status === 'preparing' || status === 'ready' ? 0 : of,
    status,
    step: Number(step),
    datasetLength: 800,
    identityJson:
      status === 'preparing'
        ? ''
        : JSON.stringify({ threads: identity.slice(8), device, ...(words.includes('data=other') && { data: 'other' }) }),
    stateHash: '',
    reports: Number(step) > 0 ? [reportOf(of, Number(step))] : [],
    errorCode,
    errorMessage: errorCode === '' ? '' : `no word from ${suspect}`,
    suspect,
    shards: words.filter(isPart).map((word) => {
      const [of, first, length] = word.split(/[:+?!]/).map(Number);
      return { step: of!, first: first!, length: length!, isWhole: !/[?!]$/.test(word), isStored: word.endsWith('!') };
    }),
    stateLength: LENGTH,
    results: accuracy === undefined ? {} : { knnAccuracy: Number(accuracy), testSamples: 8 },
  };
}

/** One line of a scenario as an event. */
function parse(line: string, run: JobRun): RunEvent {
  const [verb, ...words] = line.trim().split(/\s+/);
  const [name, ...rest] = words;
  const workerId = `${name}:1`;
  switch (verb) {
    case 'assigned':
      return { type: 'assigned', workers: words.map(worker) };
    case 'preparing':
    case 'ready':
    case 'forming':
    case 'formed':
    case 'working':
    case 'held':
    case 'finished':
      return { type: 'standing', worker: worker(name!), standing: standing(verb, rest, run.generation) };
    case 'heartbeat': {
      const [step, phase, phaseSeconds = '0', waitingFor = '', rankSeconds = '0'] = rest;
      const heartbeat = { jobId: JOB, generation: run.generation, step: Number(step), phase: phase!, waitingFor };
      return {
        type: 'heartbeat',
        workerId,
        heartbeat: { ...heartbeat, phaseSeconds: Number(phaseSeconds), rankSeconds: Number(rankSeconds) },
      };
    }
    case 'committed':
      return { type: 'committed', workerId, committed: reportOf(run.generation, Number(rest[0]), Number(rest[1] ?? 8)) };
    case 'skipped':
      return { type: 'skipped', images: rest.map((image) => ({ name: image, reason: 'cut off' })) };
    case 'checkpoint':
      return {
        type: 'checkpoint',
        checkpoint: { jobId: JOB, generation: run.generation, step: Number(name), path: `/c/${name}`, hash: 'h' },
      };
    case 'left':
    case 'failed': {
      const [code = ''] = rest;
      const left = { jobId: JOB, generation: run.generation, step: 0, errorCode: code, errorMessage: code && `it is ${code}` };
      return { type: 'left', workerId, left: { ...left, outcome: verb === 'failed' ? 'failed' : 'released' } };
    }
    case 'gone':
      return { type: 'disconnected', workerId, evidence: 'its control stream was reset' };
    case 'dead':
      return { type: 'disconnected', workerId, evidence: 'it was started again', isDead: true };
    case 'drain':
      return { type: 'drain', workerId, reason: 'it was told to end' };
    case 'found':
      return { type: 'restorePoint', point: { path: name === 'nothing' ? '' : `/c/${name}`, step: Number(name) || 0 }, note: '' };
    case 'pause':
      return { type: 'pause', reason: 'on request' };
    case 'preempt':
      return { type: 'preempt', reason: 'preempted by job-2 (priority 5)' };
    case 'recovered':
      return {
        type: 'recovered',
        incarnation: Number(name ?? 2),
        ...(rest.length > 0 && { ledger: { step: Number(rest[0]), epoch: 0, broken: Number(rest[1]) } }),
      };
    case 'tick':
      return { type: 'tick', ...(name === 'away' && { outage: 'Redis does not answer' }) };
    case 'resume':
      return { type: verb };
    case 'cancel':
      return { type: 'cancel', reason: 'on request' };
    default:
      throw new Error(`unknown verb in scenario: ${line}`);
  }
}

function show(effect: RunEffect): string {
  switch (effect.type) {
    case 'send': {
      const { message, workerId } = effect;
      const to = workerId.split(':')[0];
      switch (message.kind) {
        case 'view': {
          const shares = message.members.map(({ name, firstRank, ranks }) => `${name}=${firstRank}..${firstRank + ranks - 1}`).join(' ');
          const mark = ({ isWhole, isStored = false }: StateHolder): string => (isStored ? '!' : isWhole ? '' : '?');
          const parts = message.holders.map((holder) => `${holder.name}:${holder.first}+${holder.length}${mark(holder)}`);
          const from =
            parts.length > 0
              ? parts.join(' ')
              : message.sources.length > 0
                ? `state of ${message.sources.map((id) => id.split(':')[0]).join(' ')}`
                : message.restoreFrom || 'seed';
          return `view to ${to}: g${message.generation} step ${message.startStep} from ${from}, ${shares}`;
        }
        case 'hold':
          return `hold to ${to}${message.isAbort ? ' at once' : message.notBefore > 0 ? ` after ${message.notBefore}` : ''}${message.writeCheckpoint ? ' with checkpoint' : ''}`;
        case 'release':
          return `release to ${to}${message.writeCheckpoint ? ' with checkpoint' : ''}`;
        default:
          return `${message.kind} to ${to}`;
      }
    }
    case 'disconnect':
      return `disconnect ${effect.workerId.split(':')[0]}`;
    case 'openGeneration':
      return `queues g${effect.generation} from ${effect.step}`;
    case 'enqueueShards':
      return `shards ${effect.step}`;
    case 'commitStep':
      return `ledger ${effect.committed.step}`;
    case 'addCheckpoint':
      return `checkpoint ${effect.checkpoint.step}`;
    case 'findCheckpoint':
      return 'find checkpoint';
    case 'closeQueues':
      return 'close queues';
  }
}

/** Plays a scenario; each line comes back with the phase it led to and the effects it had. `wait 6000` lets time pass. */
function play(scenario: string, { run = queuedRun(factsOf(), 1, 0), nowMs = 0 }: { run?: JobRun; nowMs?: number } = {}) {
  const transcript: string[] = [];
  for (const line of scenario.trim().split('\n')) {
    const wait = /^\s*wait (\d+)/.exec(line);
    if (wait !== null) {
      nowMs += Number(wait[1]);
      continue;
    }
    const next = transition(run, parse(line, run), { nowMs, timeouts });
    run = next.run;
    transcript.push(`${line.trim()} -> ${[run.phase, ...next.effects.map(show)].join('; ')}`);
  }
  return { transcript, run, nowMs };
}

/** A job of workers a, b and c that trains and has committed `steps` steps. */
const working = (resources: object = {}, steps = 4) =>
  play(
    `assigned a b c
    ready a
    ready b
    ready c
    formed a 0
    formed b 0
    formed c 0
    ${Array.from({ length: steps }, (_, i) => `committed a ${i + 1}`).join('\n')}`,
    { run: queuedRun(factsOf(resources), 1, 0) },
  );
const last = ({ transcript }: { transcript: string[] }, count = 1) => transcript.slice(-count);

test('a job is assigned workers, forms a view, trains and succeeds', () => {
  const { transcript, run } = play(`
    assigned b a
    preparing a
    ready a
    ready b
    formed a 0
    formed b 0
    committed a 1
    finished b 2
    committed a 2
    checkpoint 2
    finished a 2
    left a
    left b`);
  expect(transcript).toEqual([
    'assigned b a -> starting; prepare to b; prepare to a',
    'preparing a -> starting',
    'ready a -> starting',
    'ready b -> starting; queues g1 from 0; view to a: g1 step 0 from seed, a=0..3 b=4..7; view to b: g1 step 0 from seed, a=0..3 b=4..7',
    'formed a 0 -> starting',
    'formed b 0 -> running; go to a; go to b',
    'committed a 1 -> running; ledger 1; shards 1',
    'finished b 2 -> running; ledger 2; shards 2',
    'committed a 2 -> running; shards 2',
    'checkpoint 2 -> running; checkpoint 2',
    'finished a 2 -> stopping; release to b; release to a',
    'left a -> stopping',
    'left b -> ended; close queues',
  ]);
  expect(run.outcome).toMatchObject({ state: 'succeeded', message: 'finished after 2 steps' });
});

test('what a worker has measured is kept with the run, also by a coordinator that started since, and told at the end', () => {
  const spec = parseJobSpec({
    recipe: 'knn',
    data: { format: 'idx', path: '/data' },
    schedule: { microBatch: 8 },
    checkpoint: { resumeFrom: '/c/9' },
  });
  const facts: JobFacts = { id: JOB, spec, startPoint: { path: '/c/9', step: 0 } };
  const { transcript, run } = play(
    `
    assigned a
    ready a
    formed a 0
    committed a 1
    recovered 2
    finished a 1 accuracy=0.75
    left a`,
    { run: queuedRun(facts, 1, 0) },
  );
  expect(transcript[1]).toBe('ready a -> starting; queues g1 from 0; view to a: g1 step 0 from /c/9, a=0..0');
  expect(transcript.slice(-2)).toEqual(['finished a 1 accuracy=0.75 -> stopping; release to a', 'left a -> ended; close queues']);
  expect(run.results).toEqual({ knnAccuracy: 0.75, testSamples: 8 });
  expect(run.outcome!.message).toBe('finished after 1 steps: k-NN accuracy 75.00 % of 8 test samples');
});

test('a job whose checkpoint has all steps done already says that there was nothing to do', () => {
  const spec = parseJobSpec({ data: { format: 'idx', path: '/data' }, schedule: { epochs: 1 }, resources: { virtualRanks: 1 } });
  const facts: JobFacts = { id: JOB, spec, startPoint: { path: '/c/9', step: 9 } };
  const { run } = play(
    `
    assigned a
    ready a
    formed a 9
    finished a 9
    left a`,
    { run: queuedRun(facts, 1, 0) },
  );
  expect(run.outcome).toMatchObject({
    state: 'succeeded',
    message: 'nothing to do: the checkpoint that it goes on from has 9 steps done already',
  });
});

test('a worker is killed: its peers stop at once, and the next view goes on with the furthest step', () => {
  const { transcript, run } = play(
    `gone b
    held a 5 peer-lost b
    held c 4 peer-lost b
    formed a 5
    formed c 4
    committed a 5
    committed a 6`,
    working(),
  );
  expect(transcript).toEqual([
    'gone b -> running',
    'held a 5 peer-lost b -> running; ledger 5; shards 5; hold to b at once; hold to c at once; disconnect b',
    'held c 4 peer-lost b -> running; queues g2 from 5; view to a: g2 step 5 from state of a, a=0..3 c=4..7; view to c: g2 step 5 ' +
      'from state of a, a=0..3 c=4..7',
    'formed a 5 -> running',
    'formed c 4 -> running; go to a; go to c',
    'committed a 5 -> running; shards 5',
    'committed a 6 -> running; ledger 6; shards 6',
  ]);
  expect(run.records.map(({ message }) => message)).toContain(
    'lost worker b at step 0 (last heard in preparing, 0.0 s ago): its control stream broke, and a at step 5: no word from b',
  );
});

test('peers report before the control stream breaks: the end is the same', () => {
  const { transcript } = play(
    `held a 4 peer-lost b
    gone b
    held c 4 peer-lost b`,
    working(),
  );
  expect(transcript).toEqual([
    'held a 4 peer-lost b -> running; hold to b at once; hold to c at once',
    'gone b -> running; disconnect b',
    'held c 4 peer-lost b -> running; queues g2 from 4; view to a: g2 step 4 from state of a c, a=0..3 c=4..7; view to c: g2 step 4 ' +
      'from state of a c, a=0..3 c=4..7',
  ]);
});

test('a worker that loses the coordinator alone, and comes back in time, is not missed', () => {
  const { transcript } = play(
    `gone b
    wait 1000
    tick
    working b 4
    wait 1000
    tick`,
    working(),
  );
  expect(transcript.map((line) => line.split(' -> ')[1])).toEqual(['running', 'running', 'running', 'running']);
});

test('one that does not come back is lost after the grace', () => {
  const play1 = play(
    `gone b
    wait 1300
    tick`,
    working(),
  );
  expect(last(play1)).toEqual(['tick -> running; disconnect b; hold to a at once; hold to c at once']);
});

test('a silent worker is lost after the failure timeout; those that were heard are not', () => {
  const { transcript } = play(
    `wait 4000
    heartbeat a 4 compute
    heartbeat c 4 compute
    wait 1500
    tick`,
    working(),
  );
  expect(last({ transcript })).toEqual(['tick -> running; disconnect b; hold to a at once; hold to c at once']);
});

test('too few are left: those that wait write down what they have, and the next worker completes the view', () => {
  const { transcript, run } = play(
    `dead b
    dead c
    held a 4
    tick
    assigned d
    ready d
    formed a 4
    formed d`,
    working({ minWorkers: 2 }),
  );
  expect(transcript.slice(2)).toEqual([
    'held a 4 -> starting; save to a',
    'tick -> starting',
    'assigned d -> starting; prepare to d',
    'ready d -> starting; queues g2 from 4; view to a: g2 step 4 from state of a, a=0..3 d=4..7; view to d: g2 step 4 from state of ' +
      'a, a=0..3 d=4..7',
    'formed a 4 -> starting',
    'formed d -> running; go to a; go to d',
  ]);
  expect(run.message).toBe('training on a and d');
});

test('all workers die: the job starts again from the newest valid checkpoint', () => {
  const { transcript, run } = play(
    `checkpoint 3
    dead a
    dead b
    dead c
    assigned d
    ready d
    found 3
    formed d 3
    committed d 4
    committed d 5`,
    working(),
  );
  expect(transcript.slice(3)).toEqual([
    'dead c -> starting; disconnect c',
    'assigned d -> starting; prepare to d',
    'ready d -> starting; find checkpoint',
    'found 3 -> starting; queues g2 from 3; view to d: g2 step 3 from /c/3, d=0..7',
    'formed d 3 -> running; go to d',
    'committed d 4 -> running; shards 4',
    'committed d 5 -> running; ledger 5; shards 5',
  ]);
  // The step under way when a died, and the fourth.
  expect(run.stepsRedone).toBe(2);
});

test('a joiner is admitted at a step boundary, and pulls the state from those that have it', () => {
  const { transcript } = play(
    `assigned d
    ready d
    held a 6
    held b 6
    held c 6
    formed d`,
    working(),
  );
  expect(transcript).toEqual([
    'assigned d -> running; prepare to d',
    'ready d -> running; hold to a; hold to b; hold to c',
    'held a 6 -> running; ledger 6; shards 6',
    'held b 6 -> running',
    'held c 6 -> running; queues g2 from 6; view to a: g2 step 6 from state of a b c, a=0..1 b=2..3 c=4..5 d=6..7; view to b: g2 ' +
      'step 6 from state of a b c, a=0..1 b=2..3 c=4..5 d=6..7; view to c: g2 step 6 from state of a b c, a=0..1 b=2..3 c=4..5 d=6..7; ' +
      'view to d: g2 step 6 from state of a b c, a=0..1 b=2..3 c=4..5 d=6..7',
    'formed d -> running',
  ]);
});

test('a joiner that is ready after the last step is left out: the others only write the last checkpoint', () => {
  const { transcript } = play(
    `assigned d
    ready d
    held a 1000
    held b 1000
    held c 1000`,
    working(),
  );
  expect(transcript.at(-1)).toMatch(
    /^held c 1000 -> running; queues g2 from 1000; view to a: g2 step 1000 from state of a b c, a=0..2 b=3..5 c=6..7/,
  );
  expect(transcript.at(-1)).not.toContain('view to d');
});

test('a joiner that differs is refused with the difference named, and the view goes on', () => {
  const { transcript, run } = play(
    `assigned d
    ready d threads=2`,
    working(),
  );
  expect(last({ transcript })).toEqual(['ready d threads=2 -> running; release to d']);
  expect(run.refusals[0]!.reason).toBe(
    'd differs from its peers, so the bits would depend on who computes: threads 2 where a has 1; give all workers the same MAESTRO_THREADS',
  );
});

test('before the first view the majority decides what all must have, also against the first to be ready', () => {
  const { transcript, run } = play(
    `assigned a b c
    ready a threads=2
    ready b
    ready c`,
  );
  expect(last({ transcript }, 1)).toEqual([
    'ready c -> starting; release to a; queues g1 from 0; view to b: g1 step 0 from seed, b=0..3 c=4..7; view to c: g1 step 0 from ' +
      'seed, b=0..3 c=4..7',
  ]);
  expect(run.common).toMatchObject({ by: 'b', identity: { threads: '1' } });
  expect(run.refusals[0]!.reason).toBe(
    'a differs from its peers, so the bits would depend on who computes: threads 2 where b has 1; give all workers the same MAESTRO_THREADS',
  );
});

test('a worker of another device is refused unless the job allows it, and then the job says once what that costs', () => {
  const scenario = `assigned a b
    ready a
    ready b device=webgpu
    found nothing
    formed a
    formed b device=webgpu
    working b device=webgpu`;
  const refused = play(scenario).run;
  expect(refused.refusals[0]!.reason).toBe(
    'b differs from its peers, so the bits would depend on who computes: device webgpu where a has cpu; give all workers the same ' +
      'MAESTRO_DEVICE, MAESTRO_ENGINE and MAESTRO_RESIDENT, or set resources.allowMixedDevices',
  );
  expect(refused.inexact).toBeUndefined();

  const { run } = play(scenario, { run: queuedRun(factsOf({ allowMixedDevices: true }), 1, 0) });
  const message =
    'b computes on webgpu and a on cpu, as allowMixedDevices allows: the weights depend on who computes what, and equal bits are not ' +
    'promised';
  expect(run.view?.members.map(({ name }) => name)).toEqual(['a', 'b']);
  expect(run.records.filter(({ type }) => type === 'state')).toEqual([expect.objectContaining({ message })]);
  const job = withRun(newJob({ ...run.facts, specJson: '', now: '' }), run, '2026-01-01T00:00:00.000Z');
  expect(job.conditions).toContainEqual(expect.objectContaining({ type: 'Exact', status: false, reason: 'MixedDevices', message }));
});

test('a job that allows mixed devices still refuses what makes other work of it', () => {
  const { run } = play(
    `assigned a b
    ready a
    ready b device=cuda threads=2 tf32=false deterministic=true gpu=H200 cublas=130200 cudnn=none
    found nothing`,
    { run: queuedRun(factsOf({ allowMixedDevices: true }), 1, 0) },
  );
  expect(run.refusals).toEqual([]);
  const other = play(
    `assigned c
    ready c data=other`,
    { run },
  ).run;
  expect(other.refusals[0]!.reason).toContain(
    'c differs from its peers, so the bits would depend on who computes: data other where a has none',
  );
});

test('of two that differ before the first view, the first to be ready stays', () => {
  const { transcript } = play(
    `assigned a b
    ready b threads=2
    ready a`,
  );
  expect(last({ transcript })).toEqual(['ready a -> starting; release to a; queues g1 from 0; view to b: g1 step 0 from seed, b=0..7']);
});

test('a worker that was sent away before the first view is welcome again once it is of the majority', () => {
  const run = queuedRun(factsOf({ minWorkers: 2 }), 1, 0);
  const tied = play(
    `assigned a b
    ready a threads=2
    ready b
    left b
    assigned c`,
    { run },
  );
  expect(last(tied, 3)).toEqual(['ready b -> starting; release to b', 'left b -> starting', 'assigned c -> starting; prepare to c']);
  expect(tied.run.message).toBe('c prepares the model');
  const turned = play(
    `ready c
    left a
    assigned b
    ready b`,
    tied,
  );
  expect(turned.transcript[0]).toBe('ready c -> starting; release to a');
  expect(last(turned)).toEqual([
    'ready b -> starting; queues g1 from 0; view to b: g1 step 0 from seed, b=0..3 c=4..7; view to c: g1 step 0 from seed, b=0..3 c=4..7',
  ]);
  expect(turned.run.refusals.map(({ name }) => name)).toEqual(['a']);
});

test('a hold that is sent again ends the view after the same step', () => {
  const { transcript } = play(
    `heartbeat a 5 compute 0 - 0.1
    heartbeat b 5 compute 0 - 0.1
    heartbeat c 5 compute 0 - 0.5
    committed a 5
    committed a 6
    gone c
    working c 6`,
    working(),
  );
  expect(last({ transcript })).toEqual(['working c 6 -> running; hold to c after 8']);
});

test('one that is to write the last checkpoint is told so again by the next coordinator', () => {
  const { transcript } = play(
    `cancel
    recovered 2
    working a 4`,
    working(),
  );
  expect(transcript).toEqual([
    'cancel -> stopping; release to a with checkpoint; release to b; release to c',
    expect.stringContaining('recovered 2'),
    'working a 4 -> stopping; release to a with checkpoint',
  ]);
});

test('a worker that is drained leaves at a step boundary, without an abort', () => {
  const { transcript } = play(
    `drain b
    held a 6
    held b 6
    held c 6
    left b`,
    working(),
  );
  expect(transcript).toEqual([
    'drain b -> running; hold to a; hold to b; hold to c',
    'held a 6 -> running; ledger 6; shards 6',
    'held b 6 -> running',
    'held c 6 -> running; release to b; queues g2 from 6; view to a: g2 step 6 from state of a c, a=0..3 c=4..7; view to c: g2 step ' +
      '6 from state of a c, a=0..3 c=4..7',
    'left b -> running',
  ]);
});

test('the last worker that is drained writes a checkpoint before it goes', () => {
  const { transcript } = play(
    `assigned a
    ready a
    formed a 0
    committed a 1
    drain a
    held a 2
    left a`,
  );
  expect(last({ transcript }, 3)).toEqual([
    'drain a -> running; hold to a',
    'held a 2 -> starting; ledger 2; shards 2; release to a with checkpoint',
    'left a -> starting',
  ]);
});

test('pausing ends a step, writes a checkpoint and frees the workers; resuming starts from it', () => {
  const { transcript } = play(
    `pause
    held a 5
    held b 5
    held c 5
    checkpoint 5
    left a
    left b
    left c
    resume
    assigned d
    ready d
    found 5`,
    working(),
  );
  expect(transcript).toEqual([
    'pause -> pausing; hold to a; hold to b; hold to c',
    'held a 5 -> pausing; ledger 5; shards 5',
    'held b 5 -> pausing',
    'held c 5 -> pausing; release to a with checkpoint; release to b; release to c',
    'checkpoint 5 -> pausing; checkpoint 5',
    'left a -> pausing',
    'left b -> pausing',
    'left c -> paused; close queues',
    'resume -> queued',
    'assigned d -> starting; prepare to d',
    'ready d -> starting; find checkpoint',
    'found 5 -> starting; queues g2 from 5; view to d: g2 step 5 from /c/5, d=0..7',
  ]);
});

test('cancelling lets one member write a checkpoint, and all go', () => {
  const { transcript, run } = play(
    `cancel
    left a
    left b
    left c`,
    working(),
  );
  expect(transcript).toEqual([
    'cancel -> stopping; release to a with checkpoint; release to b; release to c',
    'left a -> stopping',
    'left b -> stopping',
    'left c -> ended; close queues',
  ]);
  expect(run.outcome!.state).toBe('cancelled');
});

test('a new coordinator takes a working view over as it is', () => {
  const before = working();
  const restored = JSON.parse(JSON.stringify(before.run)) as JobRun;
  const { transcript } = play(
    `recovered
    working b 4
    working a 4
    working c 4
    wait 2000
    committed a 5`,
    { run: restored, nowMs: before.nowMs },
  );
  expect(transcript).toEqual([
    'recovered -> running; queues g1 from 0; shards 4',
    'working b 4 -> running',
    'working a 4 -> running',
    'working c 4 -> running',
    'committed a 5 -> running; ledger 5; shards 5',
  ]);
});

test('a new coordinator that missed a member for good goes on without it', () => {
  const before = working();
  const { transcript } = play(
    `recovered
    working a 4
    working c 4
    wait 4000
    heartbeat a 4 compute
    heartbeat c 4 compute
    wait 2300
    tick`,
    { run: before.run, nowMs: before.nowMs },
  );
  expect(last({ transcript })).toEqual(['tick -> running; disconnect b; hold to a at once; hold to c at once']);
});

test('a new coordinator whose record is older than the view takes no number twice', () => {
  const { transcript } = play(
    `recovered
    working a 4 g7
    held a 4 g7
    working b 4 g7
    held b 4 g7
    working c 4 g7
    held c 4 g7`,
    working(),
  );
  expect(transcript[1]).toBe('working a 4 g7 -> running; hold to a at once');
  expect(last({ transcript })[0]).toContain('queues g102 from 4');
});

test('a new coordinator leaves out the numbers of views that the last one may have sent and not written down', () => {
  const { transcript } = play(
    `recovered 2
    held a 4 peer-lost b
    held b 4
    held c 4
    recovered 4
    held a 4
    formed b 4
    held b 4
    held c 4`,
    working(),
  );
  expect(transcript[3]).toContain('queues g102 from 4');
  expect(last({ transcript })[0]).toContain('queues g303 from 4');
});

test('a view that was sent but not received is sent again', () => {
  const { transcript } = play(
    `assigned a b
    ready a
    ready b
    gone b
    ready b`,
  );
  expect(last({ transcript })).toEqual(['ready b -> starting; view to b: g1 step 0 from seed, a=0..3 b=4..7']);
});

test('a start order that was lost with the connection is sent again', () => {
  const { transcript } = play(
    `gone b
    formed b 0`,
    working(),
  );
  expect(last({ transcript })).toEqual(['formed b 0 -> running; go to b']);
});

test('a start order that was lost while a step is to end the view is sent again: its peers wait for that step', () => {
  const { transcript } = play(
    `gone b
    pause
    formed b 0`,
    working(),
  );
  expect(last({ transcript })).toEqual(['formed b 0 -> pausing; go to b; hold to b']);
});

test('a member that came back without its state ends the view that counts on it', () => {
  const forming = play(
    `dead b
    held a 4 peer-lost b
    held c 3 peer-lost b
    left a`,
    working(),
  );
  expect(last(forming)).toEqual(['left a -> running; hold to c at once']);
});

test('steps that a worker did while the job was paused without it are in the ledger', () => {
  const { transcript, run } = play(
    `gone a
    dead b
    dead c
    pause
    wait 1300
    tick
    working a 6`,
    working(),
  );
  expect(last({ transcript }, 2)).toEqual([
    'tick -> paused; disconnect a; close queues',
    'working a 6 -> paused; ledger 6; shards 6; release to a',
  ]);
  expect(run.step).toBe(6);
});

test('a checkpoint that is ahead of what was reported counts', () => {
  const { run } = play(
    `checkpoint 6
    dead a
    dead b
    dead c
    assigned d
    ready d
    found 6`,
    working(),
  );
  expect(run.step).toBe(6);
});

test('a zombie of an old view is told to stop, and joins again like anyone else', () => {
  const { transcript } = play(
    `dead b
    held a 4
    held c 4
    formed a 4
    formed c 4
    committed a 5
    working b 4 g1
    held b 4 g1`,
    working(),
  );
  expect(last({ transcript }, 2)).toEqual(['working b 4 g1 -> running; hold to b at once', 'held b 4 g1 -> running; hold to a; hold to c']);
});

test('a member that is heard but does not move is evicted by name, and not taken back at once', () => {
  const { transcript, run } = play(
    `wait 4000
    heartbeat a 4 reduce 4 b
    heartbeat b 4 compute 4
    heartbeat c 4 reduce 4 b
    wait 27000
    heartbeat a 4 reduce 31 b
    heartbeat b 4 compute 31
    heartbeat c 4 reduce 31 b
    tick
    ready b`,
    working(),
  );
  expect(last({ transcript }, 2)).toEqual([
    'tick -> running; release to b; hold to a at once; hold to c at once',
    'ready b -> running; release to b',
  ]);
  expect(run.records.findLast(({ type }) => type === 'evicted')!.message).toBe('b: no step for 31.0 s: at step 4, in compute for 31.0 s');
});

/** All members give signs of life for `seconds`; `a` waits for its shards, the others for `a`. */
const starving = (seconds: number, tick: string): string =>
  Array.from(
    { length: seconds / 4 },
    (_, index) => `wait 4000
    heartbeat a 4 lease ${4 * index + 4} Redis
    heartbeat b 4 reduce ${4 * index + 4} a
    heartbeat c 4 reduce ${4 * index + 4} a
    ${tick}`,
  ).join('\n');

test('while Redis is away nobody is blamed for standing still, and no view is formed or given up', () => {
  const away = play(starving(60, 'tick away'), working());
  expect(away.transcript.every((line) => line.endsWith('-> running'))).toBe(true);
  const failed = play(
    `held a 4 redis-unavailable
    held b 4
    held c 4`,
    away,
  );
  expect(last(failed)).toEqual(['held c 4 -> running']);
  expect(failed.run.message).toBe('waiting for Redis, without which no view can form');
  expect(failed.run.failures).toBe(0);
  expect(last(play('tick', failed))[0]).toContain('queues g2 from 4');
});

test('a member that alone does not reach Redis is evicted', () => {
  const { transcript } = play(starving(32, 'tick'), working());
  expect(last({ transcript })).toEqual(['tick -> running; release to a; hold to b at once; hold to c at once']);
  const forming = play(
    `held a 4 redis-unavailable
    held b 4
    held c 4
    held a 4 redis-unavailable
    held b 4
    held c 4`,
    { ...working(), nowMs: 60_000 },
  );
  expect(forming.run.workers.map(({ name }) => name)).toEqual(['b', 'c']);
});

test('members that do not stop when told are evicted', () => {
  const { transcript } = play(
    `dead b
    held a 4
    wait 10500
    heartbeat a 4 held
    heartbeat c 4 apply 10
    tick`,
    working(),
  );
  expect(last({ transcript })[0]).toBe('tick -> running; release to c; queues g2 from 4; view to a: g2 step 4 from state of a, a=0..7');
});

test('of two that cannot reach each other, the one that is blamed most goes', () => {
  const { run } = play(
    `held a 4 peer-lost c
    held c 4 peer-lost a
    held b 4
    held a 4 timeout c
    held b 4
    held c 4 timeout a`,
    working(),
  );
  expect(run.workers.map(({ name }) => name)).toEqual(['a', 'b']);
  expect(run.records.findLast(({ type }) => type === 'evicted')!.message).toContain('c: its peers cannot work with it');
});

test('one that nobody can reach goes in the end, also when it is always the first to blame others', () => {
  const { transcript, run } = play(
    `held b 4 peer-lost a
    held a 4
    held c 4
    held b 4 timeout a
    held a 4
    held c 4
    left a
    held b 4 timeout c
    held c 4
    formed c 4`,
    working(),
  );
  expect(run.refusals.map(({ name }) => name)).toEqual(['a', 'b']);
  expect(last({ transcript })).toEqual([expect.stringContaining('formed c 4 -> running; go to c')]);
});

test('a job whose views keep failing is given up with the last reason', () => {
  let state = working();
  for (let i = 0; i < 12 && state.run.phase === 'running'; i++) {
    state = play(
      `held a 4 protocol-violation
      held b 4
      held c 4`,
      state,
    );
  }
  expect(state.run.outcome).toMatchObject({ state: 'failed', reason: 'ProtocolViolation' });
  expect(state.run.message).toContain('gave up after 12 views without a committed step');
});

test.each(['data-invalid', 'non-finite'])('an error that every worker would meet (%s) ends the job', (code) => {
  const { run } = play(`failed b ${code}`, working());
  expect(run.phase).toBe('stopping');
  expect(run.message).toBe(`b failed at step 0: it is ${code}`);
});

test('what one worker cannot open that is in no view costs the job that worker; what two cannot, or the only one, ends it', () => {
  const joining = play('assigned d\npreparing d\nfailed d data-invalid', working({ maxWorkers: 4 }));
  expect([joining.run.phase, joining.run.refusals.map(({ name }) => name)]).toEqual(['running', ['d']]);
  const first = play('assigned a b c\npreparing a\nfailed b data-invalid');
  expect([first.run.phase, first.run.refusals.map(({ name }) => name)]).toEqual(['starting', ['b']]);
  expect(play('failed c invalid-argument', first).run).toMatchObject({
    phase: 'stopping',
    message: 'c failed at step 0: it is invalid-argument',
  });
  expect(play('assigned a\nfailed a data-invalid').run.phase).toBe('ended');
});

test('the step by which more than 1 % of an epoch are broken images ends the job with some of their names, whoever read them', () => {
  const { transcript, run } = play(
    `skipped b 1.png 2.png
    skipped a 3.png
    committed a 5 2
    skipped b 1.png
    committed a 6 7
    skipped c 9.png
    committed a 7 6`,
    working(),
  );
  // 800 samples bear 8; 6 + 1 were broken before the last step.
  expect(last({ transcript })).toEqual([
    'committed a 7 6 -> stopping; ledger 7; shards 7; release to a with checkpoint; release to b; release to c',
  ]);
  expect(run.outcome).toEqual({
    state: 'failed',
    reason: 'DataInvalid',
    message:
      'data set: 9 of 800 samples cannot be decoded, more than 1 %; remove or mend them: 1.png (cut off), 2.png (cut off), 3.png ' +
      '(cut off), 9.png (cut off), ...',
  });
});

test('broken images are counted by epoch, and once: a step that is computed again does not count again', () => {
  const { run } = play(
    `committed a 97 4
    committed a 97 4
    committed a 100 4
    committed a 101 0`,
    working({}, 96),
  );
  expect([run.phase, run.brokenImages]).toEqual(['running', { epoch: 1, count: 8, named: [] }]);
});

test('a new coordinator takes from the ledger what was counted after the run had been saved', () => {
  const { run } = play('recovered 2 9 8', working());
  expect([run.phase, run.step, run.brokenImages]).toEqual(['running', 9, { epoch: 0, count: 8, named: [] }]);
  expect(play('recovered 2 3 8', working()).run.step).toBe(4);
  const { run: over } = play('committed a 10 7', { run });
  expect(over.outcome?.reason).toBe('DataInvalid');
});

test('an error of one worker alone costs the job that worker', () => {
  const { transcript, run } = play('failed b device-unavailable', working());
  expect(last({ transcript })).toEqual(['failed b device-unavailable -> running; hold to a at once; hold to c at once']);
  expect(run.refusals.map(({ name }) => name)).toEqual(['b']);
});

test('times that swing do not deal the ranks again and again: the next time comes a minute later, then two', () => {
  let { run } = working();
  let nowMs = 0;
  const rebalancings: number[] = [];
  for (let step = 5; step < 990; step++) {
    nowMs += 1000;
    // Now one is slow, now another.
    const slow = 'abc'[Math.floor(step / 8) % 3];
    for (const name of ['a', 'b', 'c']) {
      const beat = play(`heartbeat ${name} ${step} compute 0 - ${name === slow ? 0.6 : 0.1}`, { run, nowMs });
      run = beat.run;
    }
    const before = run.records.filter(({ type }) => type === 'rebalance').length;
    run = play(`committed a ${step}`, { run, nowMs }).run;
    if (run.records.filter(({ type }) => type === 'rebalance').length > before) rebalancings.push(nowMs);
    if (run.view?.status === 'holding' && run.view.notBefore! <= step) {
      for (const name of ['a', 'b', 'c']) run = play(`held ${name} ${step}`, { run, nowMs }).run;
      for (const name of ['a', 'b', 'c']) run = play(`formed ${name} ${step}`, { run, nowMs }).run;
    }
  }
  const pauses = rebalancings.slice(1).map((ms, index) => ms - rebalancings[index]!);
  expect(rebalancings.length).toBeGreaterThan(2);
  expect(rebalancings.length).toBeLessThan(6);
  for (const [index, pause] of pauses.entries()) expect(pause).toBeGreaterThanOrEqual(60_000 * 2 ** index);
});

test('a slow worker gets fewer virtual ranks at the end of a window, with the reason', () => {
  const measured = play(
    `heartbeat a 5 compute 0 - 0.1
    heartbeat b 5 compute 0 - 0.1
    heartbeat c 5 compute 0 - 0.5
    committed a 5
    committed a 6
    heartbeat c 7 compute 0 - 0.1
    held a 8
    held b 8
    held c 8`,
    working(),
  );
  // What is measured between the decision and the view does not undo it.
  expect(measured.transcript.slice(3)).toEqual([
    'committed a 5 -> running; ledger 5; shards 5',
    'committed a 6 -> running; ledger 6; shards 6; hold to a after 8; hold to b after 8; hold to c after 8',
    'heartbeat c 7 compute 0 - 0.1 -> running',
    'held a 8 -> running; ledger 8; shards 8',
    'held b 8 -> running',
    expect.stringContaining('a=0..3 b=4..6 c=7..7'),
  ]);
  expect(measured.run.records.find(({ type }) => type === 'rebalance')!.message).toBe(
    'c is slow: computing 1000 ms a step would become 500 ms with other shares',
  );
});

test('the first member is lost before it has written the last checkpoint: another one does', () => {
  const { transcript } = play(
    `finished b 1000
    finished c 1000
    dead a
    formed b 1000
    formed c 1000
    finished b 1000
    finished c 1000`,
    working(),
  );
  expect(transcript[2]).toContain('queues g2 from 1000; view to b: g2 step 1000 from state of b c');
  expect(last({ transcript })[0]).toBe('finished c 1000 -> stopping; release to b; release to c');
});

test('a job that makes way writes a checkpoint, waits in the queue, and goes on from there by itself', () => {
  const { transcript, run, nowMs } = play(
    `preempt
    held a 6
    held b 6
    held c 6
    checkpoint 6
    left a
    left b
    wait 5000
    left c`,
    working(),
  );
  expect(transcript).toEqual([
    'preempt -> pausing; hold to a; hold to b; hold to c',
    'held a 6 -> pausing; ledger 6; shards 6',
    'held b 6 -> pausing',
    'held c 6 -> pausing; release to a with checkpoint; release to b; release to c',
    'checkpoint 6 -> pausing; checkpoint 6',
    'left a -> pausing',
    'left b -> pausing',
    'left c -> queued; close queues',
  ]);
  expect(run).toMatchObject({ message: 'preempted by job-2 (priority 5)', queuedMs: 5000, workers: [] });

  const again = play(
    `wait 60000
    assigned b
    ready b
    found 6`,
    { run, nowMs },
  );
  expect(again.transcript).toEqual([
    'assigned b -> starting; prepare to b',
    'ready b -> starting; find checkpoint',
    'found 6 -> starting; queues g2 from 6; view to b: g2 step 6 from /c/6, b=0..7',
  ]);
  expect(again.run).toMatchObject({ waitedMs: 60_000 });
  expect(again.run.records.map(({ message }) => message)).toContain('goes on after it was preempted by job-2 (priority 5)');
});

test('a job that makes way is paused for good on request, also when it waits already; a worker that it did not get rid of is not taken back', () => {
  const left = 'held a 6\nheld b 6\nheld c 6\nleft a\nleft b\nleft c';
  expect(play(`preempt\npause\n${left}`, working()).run).toMatchObject({ phase: 'paused', message: 'on request' });
  const queued = play(`preempt\n${left}`, working());
  expect(queued.run.phase).toBe('queued');
  expect(last(play('held c 6', queued))).toEqual(['held c 6 -> queued; release to c']);
  const paused = play('pause', queued);
  expect(paused.run).toMatchObject({ phase: 'paused', message: 'on request' });
  expect(paused.run.preemption).toBeUndefined();
  expect(play('cancel\nleft a\nleft b\nleft c', play('preempt', working())).run).toMatchObject({
    phase: 'ended',
    outcome: { state: 'cancelled' },
  });
});

test('a job that lacks workers says since when, until a view forms again', () => {
  const short = play('dead b\ndead c\nheld a 5 peer-lost b', working({ minWorkers: 2 }));
  expect(short.run).toMatchObject({ shortSinceMs: 0, message: expect.stringContaining('waiting: needs 2 cpu workers, has 1') });
  const later = play('wait 9000\nheartbeat a 5 held\ntick', short);
  expect(later.run.shortSinceMs).toBe(0);
  expect(play('assigned d\nready d', later).run.shortSinceMs).toBeUndefined();
});

test('members whose replicas train apart hold no state that others could start from: each further view restores the newest checkpoint', () => {
  const facts = factsOf({}, { mode: 'diloco', replicas: 4, innerSteps: 5 });
  const { transcript, run } = play(
    `assigned a b c
    ready a
    ready b
    ready c
    formed a
    formed b
    formed c
    committed a 5
    checkpoint 5
    committed a 6
    gone b
    held a -1 peer-lost b
    held c -1 peer-lost b
    found 5
    formed a
    formed c
    committed a 6
    committed a 7
    drain c
    checkpoint 10
    held a
    held c
    found 10`,
    { run: queuedRun(facts, 1, 0) },
  );
  expect(transcript.slice(3, 4)).toEqual([
    'ready c -> starting; queues g1 from 0; view to a: g1 step 0 from seed, a=0..3 b=4..5 c=6..7; view to b: g1 step 0 from seed, ' +
      'a=0..3 b=4..5 c=6..7; view to c: g1 step 0 from seed, a=0..3 b=4..5 c=6..7',
  ]);
  expect(transcript.slice(10)).toEqual([
    'gone b -> running',
    'held a -1 peer-lost b -> running; hold to b at once; hold to c at once; disconnect b',
    'held c -1 peer-lost b -> starting; find checkpoint',
    'found 5 -> starting; queues g2 from 5; view to a: g2 step 5 from /c/5, a=0..3 c=4..7; view to c: g2 step 5 from /c/5, a=0..3 c=4..7',
    'formed a -> starting',
    'formed c -> running; go to a; go to c',
    'committed a 6 -> running; shards 6',
    'committed a 7 -> running; ledger 7; shards 7',
    'drain c -> running; hold to a; hold to c',
    'checkpoint 10 -> running; checkpoint 10',
    'held a -> running',
    'held c -> starting; release to c; find checkpoint',
    'found 10 -> starting; queues g3 from 10; view to a: g3 step 10 from /c/10, a=0..7',
  ]);
  expect(run.records.map(({ message }) => message)).toContain('restored from /c/5, step 5');
});

test('a member that leaves waits for the end of its round as long as steps are committed, and no longer', () => {
  const facts = factsOf({}, { mode: 'diloco', replicas: 4, innerSteps: 50 });
  const state = play(
    `assigned a b
    ready a
    ready b
    formed a
    formed b
    committed a 1
    drain b
    wait 4000
    heartbeat a 1 compute
    heartbeat b 1 compute
    committed a 2
    wait 4000
    heartbeat a 2 compute
    heartbeat b 2 compute
    tick`,
    { run: queuedRun(facts, 1, 0) },
  );
  expect(last(state)).toEqual(['tick -> running']);
  const { transcript } = play('wait 2000\nheartbeat a 2 compute\nheartbeat b 2 compute\ntick', state);
  expect(last({ transcript })).toEqual(['tick -> running; hold to a at once; hold to b at once']);
});

/** A job whose moments are dealt to a, b and c, that trains and has committed four steps. */
const sharded = (resources: object = {}) =>
  play(
    `assigned a b c
    ready a
    ready b
    ready c
    formed a 0 0:0+30
    formed b 0 0:30+30
    formed c 0 0:60+30
    committed a 1
    committed a 2
    committed a 3
    committed a 4`,
    { run: queuedRun(factsOf(resources, undefined, { state: 'sharded' }), 1, 0) },
  );

test('sharded: a joiner is admitted with all parts of the state, and told who has which', () => {
  const { transcript } = play(
    `assigned d
    ready d
    held a 6 6:0+30
    held b 6 6:30+30
    held c 6 6:60+30`,
    sharded(),
  );
  expect(transcript[1]).toBe('ready d -> running; hold to a; hold to b; hold to c');
  expect(transcript.at(-1)).toContain('view to d: g2 step 6 from a:0+30 b:30+30 c:60+30, a=0..1 b=2..3 c=4..5 d=6..7');
});

test('sharded: one that leaves serves its part until the first step of the next view is committed', () => {
  const { transcript } = play(
    `drain b
    held a 6 6:0+30
    held b 6 6:30+30
    held c 6 6:60+30
    formed a 6 6:0+30
    formed c 6 6:60+30
    wait 100
    tick
    committed a 7`,
    sharded(),
  );
  const view = 'g2 step 6 from a:0+30 b:30+30 c:60+30, a=0..3 c=4..7';
  expect(transcript).toEqual([
    'drain b -> running; hold to a with checkpoint; hold to b with checkpoint; hold to c with checkpoint',
    'held a 6 6:0+30 -> running; ledger 6; shards 6',
    'held b 6 6:30+30 -> running',
    `held c 6 6:60+30 -> running; queues g2 from 6; view to a: ${view}; view to c: ${view}; view to b: ${view}`,
    'formed a 6 6:0+30 -> running',
    'formed c 6 6:60+30 -> running; go to a; go to c',
    'tick -> running',
    'committed a 7 -> running; ledger 7; shards 7; release to b',
  ]);
});

test('sharded: one that leaves serves its part although the checkpoint of that state is on disk before all hold', () => {
  const { transcript } = play(
    `drain b
    checkpoint 6
    held b 6 6:30+30
    held a 6 6:0+30
    held c 6 6:60+30`,
    sharded(),
  );
  expect(transcript.at(-1)).toContain('view to b: g2 step 6 from a:0+30 b:30+30 c:60+30, a=0..3 c=4..7');
});

test('sharded: a part that is lost with its owner takes the job back to the newest checkpoint', () => {
  const { transcript, run } = play(
    `checkpoint 3
    dead b
    held a 4 4:0+30
    held c 4 4:60+30
    found 3`,
    sharded(),
  );
  expect(transcript.slice(2)).toEqual([
    'held a 4 4:0+30 -> running',
    'held c 4 4:60+30 -> starting; find checkpoint',
    'found 3 -> starting; queues g2 from 3; view to a: g2 step 3 from /c/3, a=0..3 c=4..7; view to c: g2 step 3 from /c/3, a=0..3 c=4..7',
  ]);
  expect(run.records.at(-1)!.message).toBe('a part of the state was lost with its owner: restored from /c/3, step 3');
});

/** The copies of a window's end that a, b and c hold: each its own part, and that of the one before it. */
const copies = { a: '8:0+30! 8:60+30!', b: '8:30+30! 8:0+30!', c: '8:60+30! 8:30+30!' };
/** As {@link sharded}, four steps after the end of the first window. */
const pastWindow = (resources: object = {}) =>
  play(Array.from({ length: 8 }, (_, i) => `committed a ${i + 5}`).join('\n'), sharded(resources));

test.each(['a', 'b', 'c'] as const)('sharded: of the three, %s is lost: the others go back to the end of the window', (lost) => {
  const [left, right] = (['a', 'b', 'c'] as const).filter((name) => name !== lost) as ['a' | 'b', 'b' | 'c'];
  const first = { a: 0, b: 30, c: 60 };
  const { transcript, run } = play(
    `checkpoint 3
    dead ${lost}
    held ${left} 12 12:${first[left]}+30 ${copies[left]}
    held ${right} 12 12:${first[right]}+30 ${copies[right]}`,
    pastWindow(),
  );
  const parts = (name: 'a' | 'b' | 'c') => copies[name].replaceAll('8:', `${name}:`);
  const shares = `${left}=0..3 ${right}=4..7`;
  expect(last({ transcript })[0]).toContain(`view to ${left}: g2 step 8 from ${parts(left)} ${parts(right)}, ${shares}`);
  expect(run.records.at(-1)!.message).toBe(
    'a part of the state was lost with its owner: goes back to the end of window 0 of epoch 0, step 8, from copies at peers',
  );
  expect(run.stepsRedone).toBe(5);
});

test('sharded: an owner and its neighbour are lost at once: what both had is in the newest checkpoint alone', () => {
  const { transcript, run } = play(
    `checkpoint 3
    dead b
    dead c
    held a 12 12:0+30 ${copies.a}
    found 3`,
    pastWindow(),
  );
  expect(last({ transcript }, 2)).toEqual([
    `held a 12 12:0+30 ${copies.a} -> starting; find checkpoint`,
    'found 3 -> starting; queues g2 from 3; view to a: g2 step 3 from /c/3, a=0..7',
  ]);
  expect(run.records.at(-1)!.message).toBe('a part of the state was lost with its owner: restored from /c/3, step 3');
});

test('sharded: a checkpoint that is newer than the copies is taken instead', () => {
  const { transcript } = play(
    `checkpoint 11
    dead b
    held a 12 12:0+30 ${copies.a}
    held c 12 12:60+30 ${copies.c}`,
    pastWindow(),
  );
  expect(last({ transcript })[0]).toContain('find checkpoint');
});

test('sharded: a copy that proves damaged is offered no more, and the next view does without it', () => {
  const { transcript, run } = play(
    `checkpoint 3
    dead b
    held a 12 12:0+30 ${copies.a}
    held c 12 12:60+30 ${copies.c}
    held a -1 checkpoint-invalid c ${copies.a}
    held c 12 12:60+30 8:60+30!
    found 3`,
    pastWindow(),
  );
  expect(transcript.at(-1)).toContain('queues g3 from 3; view to a: g3 step 3 from /c/3');
  expect(run.workers.map(({ name }) => name)).toEqual(['a', 'c']);
});

test('sharded: copies are not read where the state is in memory, and nobody waits for copies of one that leaves', () => {
  const held = play(
    `drain b
    held a 8 8:0+30 ${copies.a}
    held b 8 8:30+30 ${copies.b}
    held c 8 8:60+30 ${copies.c}`,
    sharded(),
  );
  expect(held.transcript.at(-1)).toContain('view to b: g2 step 8 from a:0+30 b:30+30 c:60+30, a=0..3 c=4..7');
  expect(held.run.records.some(({ message }) => message.includes('copies'))).toBe(false);

  const { transcript } = play(
    `dead b
    drain a
    drain c
    held a 12 12:0+30 ${copies.a}
    held c 12 12:60+30 ${copies.c}`,
    pastWindow(),
  );
  expect(last({ transcript })[0]).toContain('release to a; release to c');
});

test('sharded: a view that broke while parameters were gathered goes on from the step that all owners have applied', () => {
  const { transcript } = play(
    `held b -1 peer-lost c 5:30+30?
    held a 5 5:0+30
    held c -1 5:60+30?`,
    sharded(),
  );
  expect(transcript.at(-1)).toContain('queues g2 from 5; view to a: g2 step 5 from a:0+30 b:30+30? c:60+30?');
});

test('sharded: an owner that has not applied what another has applied takes the job back', () => {
  const { transcript } = play(
    `checkpoint 2
    held b 4 peer-lost c 4:30+30
    held a -1 5:0+30?
    held c -1 5:60+30?`,
    sharded(),
  );
  expect(last({ transcript })).toEqual(['held c -1 5:60+30? -> starting; find checkpoint']);
});

test('sharded: pausing and cancelling collect the state at the end of a step, before anybody is released', () => {
  for (const [verb, phase] of [
    ['pause', 'pausing'],
    ['cancel', 'stopping'],
  ] as const) {
    const { transcript } = play(
      `${verb}
      held a 5 5:0+30
      held b 5 5:30+30
      held c 5 5:60+30`,
      sharded(),
    );
    expect(transcript).toEqual([
      `${verb} -> ${phase}; hold to a with checkpoint; hold to b with checkpoint; hold to c with checkpoint`,
      `held a 5 5:0+30 -> ${phase}; ledger 5; shards 5`,
      `held b 5 5:30+30 -> ${phase}`,
      `held c 5 5:60+30 -> ${phase}; release to a with checkpoint; release to b; release to c`,
    ]);
  }
});

test('sharded: when all leave, each waits until what they had together is in a checkpoint', () => {
  const { transcript } = play(
    `drain a
    drain b
    drain c
    held a 6 6:0+30
    held b 6 6:30+30
    held c 6 6:60+30
    checkpoint 6`,
    sharded(),
  );
  expect(last({ transcript }, 2)).toEqual([
    'held c 6 6:60+30 -> starting',
    'checkpoint 6 -> starting; checkpoint 6; release to a; release to b; release to c',
  ]);
});
