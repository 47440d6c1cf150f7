import { expect, test } from '@jest/globals';
import { type Job, parseJobSpec } from '@maestro/protocol';
import { newJob, withRun } from '../../jobs/jobView.ts';
import { type JobRun, newWorker, queuedRun, type RunWorker } from '../state/runState.ts';
import { describeSlowStep } from './slowStep.ts';

const NOW_MS = 100_000;
const spec = parseJobSpec({
  data: { format: 'idx', path: '/data' },
  schedule: { steps: 1000, microBatch: 1 },
  resources: { virtualRanks: 8 },
});

/** A working view of `members` that committed step 812 so many seconds ago; steps take a second. */
function runOf(quietSeconds: number, members: readonly Partial<RunWorker>[], changes: Partial<JobRun> = {}): JobRun {
  const workers = members.map((member, index) => {
    const name = 'abc'[index]!;
    return { ...newWorker({ name, id: `${name}:1`, address: name }, NOW_MS - 200), status: 'working' as const, ...member };
  });
  return {
    ...queuedRun({ id: 'job', spec, startPoint: { path: '', step: 0 } }, 1, 0),
    phase: 'running',
    generation: 1,
    workers,
    view: {
      members: workers.map(({ name, id, address }, index) => ({ name, id, address, firstRank: index, ranks: 1 })),
      startStep: 800,
      restoreFrom: '',
      sources: [],
      holders: [],
      status: 'working',
      sinceMs: NOW_MS - 60_000,
      isAbort: false,
      reason: '',
    },
    step: 812,
    stepSeconds: 1,
    lastCommitMs: NOW_MS - 1000 * quietSeconds,
    ...changes,
  };
}
const compute = { phase: 'compute', phaseSeconds: 4.1 };

test('a step of usual length waits for nobody', () => {
  expect(describeSlowStep(runOf(2.9, [compute, compute]), NOW_MS)).toBeUndefined();
  expect(describeSlowStep(runOf(1.9, [compute], { stepSeconds: 0.1 }), NOW_MS)).toBeUndefined();
  expect(describeSlowStep(runOf(9, [compute], { stepSeconds: 0 }), NOW_MS)).toBeUndefined();
  expect(describeSlowStep(runOf(99, [compute], { phase: 'pausing' }), NOW_MS)).toBeUndefined();
});

test('a slow step names whom the others wait for, where, and what was last heard of it', () => {
  const run = runOf(4.5, [
    { phase: 'reduce', phaseSeconds: 4, waitingFor: 'b at all-gather' },
    { ...compute, lastHeardMs: NOW_MS - 3900 },
    { phase: 'reduce', phaseSeconds: 4, waitingFor: 'b at reduce-scatter, a at all-gather' },
  ]);
  expect(describeSlowStep(run, NOW_MS)).toBe(
    'step 812: waiting for b at all-gather and reduce-scatter; last heard in compute for 4.1 s, 3.9 s ago',
  );
});

test('a lone worker, a broken control stream and an absent Redis are told too', () => {
  expect(describeSlowStep(runOf(12, [compute], { stepSeconds: 0 }), NOW_MS)).toBe(
    'step 812: waiting for a; last heard in compute for 4.1 s, 0.2 s ago',
  );
  const away = runOf(5, [compute, { phase: 'held', status: 'held' }]);
  const broken = { ...away, workers: away.workers.map((each) => (each.name === 'a' ? { ...each, awaySinceMs: NOW_MS - 500 } : each)) };
  expect(describeSlowStep(broken, NOW_MS)).toBe(
    'step 812: waiting for a; last heard in compute for 4.1 s, 0.2 s ago, its control stream is broken',
  );
  const starved = runOf(5, [
    { phase: 'lease', phaseSeconds: 5, waitingFor: 'Redis does not answer' },
    { phase: 'reduce', waitingFor: 'a at reduce-scatter' },
  ]);
  expect(describeSlowStep(starved, NOW_MS)).toBe(
    'step 812: waiting for a at reduce-scatter; last heard in lease for 5.0 s (Redis does not answer), 0.2 s ago',
  );
});

test('one that goes from one thing to the next is not slow, unless the step takes very much longer than others', () => {
  const moving = { phase: 'forward', phaseSeconds: 0.3 };
  expect(describeSlowStep(runOf(4.5, [moving]), NOW_MS)).toBeUndefined();
  expect(describeSlowStep(runOf(4.5, [moving, { ...compute, lastHeardMs: NOW_MS - 900 }]), NOW_MS)).toBe(
    'step 812: waiting for b; last heard in compute for 4.1 s, 0.9 s ago',
  );
  expect(describeSlowStep(runOf(11, [moving]), NOW_MS)).toBe('step 812: waiting for a; last heard in forward for 0.3 s, 0.2 s ago');
});

test('members that wait for each other are all named', () => {
  const run = runOf(5, [{ waitingFor: 'b at all-gather' }, { waitingFor: 'a at all-gather' }]);
  expect(describeSlowStep(run, NOW_MS)).toBe('step 812: a and b wait for each other since 5.0 s');
});

test('the job carries it as a condition that tells the time and keeps when it began', () => {
  const job = newJob({ id: 'job', spec, specJson: '{}', now: '2026-01-01T00:00:00.000Z' });
  const at = (ms: number): string => new Date(NOW_MS + ms).toISOString();
  const of = (shown: Job) => shown.conditions.find(({ type }) => type === 'Progressing');
  const usual = withRun(job, runOf(1, [compute]), at(0));
  expect(of(usual)).toEqual({ type: 'Progressing', status: true, reason: 'StepsAsUsual', message: '', lastTransitionTime: at(0) });
  const slow = withRun(usual, runOf(5, [compute]), at(10));
  expect(of(slow)).toMatchObject({ status: false, reason: 'SlowStep', lastTransitionTime: at(10) });
  const later = withRun(slow, runOf(5, [compute]), at(1000));
  expect(of(later)).toMatchObject({ lastTransitionTime: at(10), message: expect.stringContaining('1.2 s ago') });
  expect(of(withRun(later, runOf(5, [compute], { phase: 'paused' }), at(2000)))).toBeUndefined();
});
