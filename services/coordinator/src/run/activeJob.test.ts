import { describe, expect, test } from '@jest/globals';
import type { CoordinatorMessage, Job } from '@maestro/protocol';
import { failureTimeouts } from '@maestro/protocol';
import { createLogger } from '@maestro/telemetry';
import type { Bookkeeper } from '../books/bookkeeper.ts';
import { newJob } from '../jobs/jobView.ts';
import { createClock } from '../simulation/clock.ts';
import { jobFacts, runEvent } from '../testing/runEvent.ts';
import { type CheckpointAnswer, openActiveJob } from './activeJob.ts';
import { type JobRun, queuedRun } from './state/runState.ts';

/** A job on a clock that is set by hand, and books that are written when the test says so. */
function open(steps: number, words?: readonly string[]) {
  const virtual = createClock(1000);
  const clock = {
    get nowMs() {
      return virtual.nowMs;
    },
    after(ms: number, action: () => void) {
      let isOff = false;
      virtual.after(ms, () => isOff || action());
      return () => {
        isOff = true;
      };
    },
    soon: (action: () => void) => virtual.after(0, action),
  };
  const written: JobRun[] = [];
  const sent: string[] = [];
  const searches: CheckpointAnswer[] = [];
  let saves: { readonly run: JobRun; readonly onSaved: (() => void) | undefined }[] = [];
  let acknowledge: (step: number) => void = () => undefined;
  let problem: string | undefined;
  const books = {
    plan: () => undefined,
    openGeneration: () => undefined,
    enqueueAround: () => undefined,
    removeShards: () => undefined,
    commit: () => undefined,
    saveJob: () => undefined,
    saveRun: (run: unknown, onSaved?: () => void) => void saves.push({ run: run as JobRun, onSaved }),
    acknowledgedStep: 0,
    problem: () => problem,
    drain: () => Promise.resolve(true),
    close: () => Promise.resolve(),
  } satisfies Bookkeeper;
  const facts = jobFacts(words ?? []);
  const { spec } = facts;
  const counted: number[] = [];
  const active = openActiveJob({
    job: newJob({ id: 'job-1', spec, specJson: '', now: '2026-01-01T00:00:00.000Z' }),
    run: queuedRun(facts, 1, clock.nowMs),
    spec,
    timeouts: failureTimeouts(5000),
    clock,
    openBooks(onAcknowledged) {
      acknowledge = onAcknowledged;
      return books;
    },
    onSettled: () => Promise.resolve(),
    findCheckpoint: (answer) => void searches.push(answer),
    perform(effect) {
      const { kind } = effect.type === 'send' ? effect.message : ({ kind: 'disconnect' } as unknown as CoordinatorMessage);
      sent.push(`${kind} ${effect.workerId}`);
    },
    newVersion: () => '1-1',
    onMoved: () => undefined,
    events: { committed: (_, { step }) => void counted.push(step), recomputed: () => undefined, moved: () => undefined },
    log: createLogger({ role: 'test', destination: { write: () => undefined } }),
  });
  const tell = (line: string): void => active.dispatch(runEvent(line, active.run));
  const save = (): void => {
    const due = saves;
    saves = [];
    for (const { run, onSaved } of due) {
      written.push(run);
      onSaved?.();
    }
  };
  if (words === undefined) for (const line of ['assigned a', 'ready a', 'formed a 0']) tell(line);
  for (let step = 1; step <= steps; step++) tell(`committed a ${step}`);
  save();
  sent.length = 0;
  return {
    ...{ active, tell, save, sent, written, searches, counted },
    acknowledge: (step: number) => acknowledge(step),
    pass: (ms: number) => virtual.run(virtual.nowMs + ms, () => false),
    fail: (why: string | undefined) => {
      problem = why;
    },
  };
}

describe('a decision', () => {
  test('is told to nobody before it is persisted: no worker, no watcher, and not to whoever asked', () => {
    const { active, tell, save, sent, written } = open(2);
    const shown: Job[] = [];
    let isSettled = false;
    active.listeners.add((job) => void shown.push(job));
    tell('cancel');
    active.whenSettled(() => {
      isSettled = true;
    });
    expect([active.run.phase, active.job.message, sent, shown, isSettled]).toEqual(['stopping', 'training on a', [], [], false]);
    save();
    expect(written.at(-1)!.phase).toBe('stopping');
    expect([active.job.message, sent, isSettled]).toEqual(['on request', ['release a:1'], true]);
    expect(shown.at(-1)!.message).toBe('on request');
  });

  test('that stays unpersisted is said to be by name, and what keeps it is shown meanwhile', async () => {
    const { active, tell, pass, fail } = open(2);
    fail('Redis does not answer');
    tell('pause');
    const settled = active.settled(500);
    active.tick();
    expect(active.job).toMatchObject({
      message: 'training on a',
      conditions: expect.arrayContaining([expect.objectContaining({ type: 'Recorded', status: false })]),
    });
    pass(600);
    await expect(settled).rejects.toThrow('job job-1: accepted, but not persisted yet, so nobody is told: Redis does not answer');
  });
});

test('what precision auto becomes is persisted before any worker or watcher hears of it', () => {
  const { active, tell, save, sent, written } = open(0, ['precision=auto']);
  tell('assigned a precision=float32');
  expect([active.run.facts.spec.precision, active.spec.precision, sent]).toEqual(['float32', 'auto', []]);
  save();
  expect(written.at(-1)!.choice).toMatchObject({ precision: 'float32' });
  expect([active.spec.precision, JSON.parse(active.job.specJson).precision, sent]).toEqual(['float32', 'float32', ['prepare a:1']]);
  expect(active.job.conditions).toContainEqual(
    expect.objectContaining({ type: 'PrecisionChosen', status: true, message: written.at(-1)!.choice!.reason }),
  );
});

test('what is no decision is told at once', () => {
  const { tell, sent } = open(2);
  tell('working a 2');
  tell('drain a');
  expect(sent).toEqual(['hold a:1']);
});

test('steps count once, and are acknowledged to the workers when the ledger has them', () => {
  const { active, tell, sent, counted, acknowledge } = open(2);
  tell('committed a 2');
  expect(counted).toEqual([1, 2]);
  expect(active.unwrittenSteps).toBe(2);
  acknowledge(2);
  active.tick();
  active.tick();
  expect([active.unwrittenSteps, sent]).toEqual([0, ['acknowledge a:1']]);
});

test('a checkpoint is looked for once at a time; a search that fails ends the job with its reason', () => {
  const { active, tell, searches } = open(2);
  tell('dead a');
  tell('assigned b');
  tell('ready b');
  tell('tick');
  expect(searches).toHaveLength(1);
  searches[0]!.failed(new Error('the disk is gone'));
  expect(active.run.outcome).toMatchObject({
    state: 'failed',
    reason: 'CheckpointSearch',
    message: expect.stringContaining('the disk is gone'),
  });
});
