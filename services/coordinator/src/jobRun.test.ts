import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { DEFAULT_RUN_TIMEOUTS, type JobRun, queuedRun, type RunEffect, type RunEvent, transition } from './jobRun.ts';

const JOB = 'job-1';
const facts = { id: JOB, specJson: '{}', virtualRanks: 8, restoreFrom: '', startStep: 0 };
const worker = (name: string) => ({ name, id: `${name}:1`, address: `${name}:7` });

/** One line of a scenario as an event: `formed b`, `committed a 3`, `lost b`, `wait 6000`. */
function parse(line: string, generation: number): RunEvent {
  const [verb, ...words] = line.trim().split(/\s+/);
  const [name, number] = words;
  const of = { jobId: JOB, generation };
  const workerId = `${name}:1`;
  const step = Number(number ?? 0);
  const left = { ...of, step, errorCode: '', errorMessage: '', suspect: '' };
  switch (verb) {
    case 'placed':
      return { type: 'placed', workers: words.map(worker) };
    case 'formed':
      return {
        type: 'formed',
        workerId,
        formed: { ...of, step: 0, datasetLength: 100, identityJson: JSON.stringify({ threads: 1, dataset: number ?? 'same' }) },
      };
    case 'heartbeat':
      return { type: 'heartbeat', workerId, heartbeat: { ...of, step, phase: 'compute' } };
    case 'committed':
      return {
        type: 'committed',
        workerId,
        committed: { ...of, step, loss: 1, gradNorm: 1, lr: 1, images: 8, stepSeconds: 1, ranks: [] },
      };
    case 'checkpoint':
      return { type: 'checkpoint', checkpoint: { ...of, step, path: '/c', hash: 'h' } };
    case 'finished':
      return { type: 'left', workerId, left: { ...left, outcome: 'finished' } };
    case 'stopped':
      return { type: 'left', workerId, left: { ...left, outcome: 'stopped', errorMessage: 'told to end' } };
    case 'failed':
      return { type: 'left', workerId, left: { ...left, outcome: 'failed', errorCode: 'data-invalid', errorMessage: 'bad data' } };
    case 'blames':
      return {
        type: 'left',
        workerId,
        left: { ...left, step: 0, outcome: 'failed', errorCode: 'peer-lost', errorMessage: 'no chunks', suspect: number! },
      };
    case 'lost':
      return { type: 'workerLost', workerId, evidence: 'stream reset' };
    case 'cancel':
      return { type: 'cancel', reason: 'on request' };
    case 'tick':
      return { type: 'tick' };
    default:
      throw new Error(`unknown verb in scenario: ${line}`);
  }
}

function show(effect: RunEffect): string {
  switch (effect.type) {
    case 'send': {
      const { message, workerId } = effect;
      const detail =
        message.kind === 'view'
          ? ` g${message.generation} ${message.members.map(({ name, firstRank, ranks }) => `${name}=${firstRank}..${firstRank + ranks - 1}`).join(' ')}`
          : message.kind === 'stop'
            ? message.writeCheckpoint
              ? ' with checkpoint'
              : ''
            : '';
      return `${message.kind} to ${workerId.split(':')[0]}${detail}`;
    }
    case 'enqueueShards':
      return `enqueue ${effect.step}`;
    case 'commitStep':
      return `ledger ${effect.committed.step}`;
    case 'addCheckpoint':
      return `checkpoint ${effect.checkpoint.step}`;
    case 'ended':
      return `ended ${effect.outcome.state}`;
  }
}

/** Plays a scenario; each line comes back with the phase it led to and the effects it had. */
function play(scenario: string, run: JobRun = queuedRun(facts)): { transcript: string[]; run: JobRun } {
  let nowMs = 0;
  const transcript: string[] = [];
  for (const line of scenario.trim().split('\n')) {
    const wait = /^\s*wait (\d+)/.exec(line);
    if (wait !== null) {
      nowMs += Number(wait[1]);
      continue;
    }
    const next = transition(run, parse(line, run.generation), nowMs);
    run = next.run;
    transcript.push(`${line.trim()} -> ${[run.phase, ...next.effects.map(show)].join('; ')}`);
  }
  return { transcript, run };
}

test('a job is placed, forms, trains and succeeds', () => {
  const { transcript, run } = play(`
    placed b a
    formed a
    formed b
    committed a 1
    finished b 2
    committed a 2
    checkpoint a 2
    finished a 2`);
  expect(transcript).toEqual([
    'placed b a -> starting; view to a g1 a=0..3 b=4..7; view to b g1 a=0..3 b=4..7',
    'formed a -> starting',
    'formed b -> running; enqueue 0; go to a; go to b',
    'committed a 1 -> running; ledger 1; enqueue 1',
    'finished b 2 -> running',
    'committed a 2 -> running; ledger 2; enqueue 2',
    'checkpoint a 2 -> running; checkpoint 2',
    'finished a 2 -> ended; ended succeeded',
  ]);
  expect(run.message).toBe('finished after 2 steps');
});

test('a lost worker fails the job by name, and the first survivor writes a checkpoint', () => {
  const { transcript, run } = play(`
    placed a b c
    formed a
    formed b
    formed c
    heartbeat b 17
    lost b
    checkpoint a 17
    stopped a 17
    stopped c 17`);
  expect(transcript.slice(-4)).toEqual([
    'lost b -> stopping; stop to a with checkpoint; stop to c',
    'checkpoint a 17 -> stopping; checkpoint 17',
    'stopped a 17 -> stopping',
    'stopped c 17 -> ended; ended failed',
  ]);
  expect(run.outcome).toEqual({
    state: 'failed',
    reason: 'WorkerLost',
    message: 'lost worker b at step 17 (last heard in compute): stream reset',
  });
});

test('a member that blames its peer is believed, and the peer is named', () => {
  const { run } = play('placed a b\nformed a\nformed b\nblames a b\ntick');
  expect(run.outcome?.message).toContain('lost worker b at step 0 (last heard in starting): a reports: no chunks');
});

test("a member's own failure is the job's", () => {
  const { run } = play('placed a b\nformed a\nformed b\nfailed b 5\nstopped a 5');
  expect(run.outcome).toEqual({ state: 'failed', reason: 'DataInvalid', message: 'b failed at step 5: bad data' });
  expect(run.phase).toBe('ended');
});

test('members that differ in what decides bits are not let start, and the difference is named', () => {
  const { run } = play('placed a b\nformed a one\nformed b two');
  expect(run.phase).toBe('stopping');
  expect(run.outcome?.message).toContain('b differs from its peers, so the bits would depend on who computes: dataset two where a has one');
});

test('a silent member is lost after the failure timeout, and stopping ends at its deadline', () => {
  const { transcript } = play(`
    placed a b
    formed a
    formed b
    wait ${DEFAULT_RUN_TIMEOUTS.failureMs}
    heartbeat a 3
    tick
    wait 1
    tick
    wait ${DEFAULT_RUN_TIMEOUTS.stopMs}
    tick`);
  expect(transcript.slice(-3)).toEqual(['tick -> running', 'tick -> stopping; stop to a with checkpoint', 'tick -> ended; ended failed']);
});

test('cancelling ends a waiting job at once and a running one after its members have left', () => {
  expect(play('cancel').transcript).toEqual(['cancel -> ended; ended cancelled']);
  expect(play('placed a\nformed a\ncommitted a 1\ncancel\nstopped a 1').transcript.slice(-2)).toEqual([
    'cancel -> stopping; stop to a with checkpoint',
    'stopped a 1 -> ended; ended cancelled',
  ]);
});

test('messages of another generation and of strangers change nothing', () => {
  const { run } = play('placed a b\nformed a\nformed b');
  const stale: RunEvent = {
    type: 'left',
    workerId: 'a:1',
    left: { jobId: JOB, generation: 0, step: 9, outcome: 'finished', errorCode: '', errorMessage: '', suspect: '' },
  };
  expect(transition(run, stale, 0)).toEqual({ run, effects: [] });
  expect(play('lost z\nfinished z 1\ncommitted z 9', run).run).toEqual(run);
});

test('whatever happens: steps never go back, a job ends once, and an ended job stays as it is', () => {
  const verbs = [
    'placed a b',
    'formed a',
    'formed b',
    'committed a 1',
    'committed a 2',
    'finished a 2',
    'finished b 2',
    'lost a',
    'lost b',
    'failed b 1',
    'blames a b',
    'cancel',
    'tick',
  ];
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.constantFrom(...verbs), fc.nat({ max: 3000 })), { maxLength: 40 }), (script) => {
      let run = queuedRun(facts);
      let nowMs = 0;
      let ends = 0;
      for (const [line, waitMs] of script) {
        nowMs += waitMs;
        const next = transition(run, parse(line, run.generation), nowMs);
        expect(next.run.step).toBeGreaterThanOrEqual(run.step);
        if (run.phase === 'ended') expect(next).toEqual({ run, effects: [] });
        ends += next.effects.filter(({ type }) => type === 'ended').length;
        run = next.run;
      }
      expect(ends).toBe(run.phase === 'ended' ? 1 : 0);
    }),
  );
});
