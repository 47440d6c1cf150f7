import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type ModelJob, playQueue } from '../testing/queueModel.ts';
import { effectivePriority } from './effectivePriority.ts';
import { type Placement, placeJobs } from './placement.ts';
import type { SchedulableJob } from './schedulableJob.ts';

const workers = (names: string, device = 'cpu') => [...names].map((name) => ({ name, id: `${name}:1`, address: '', device }));

/** `job('big', '2..4 on ab', { priority: 5 })`: a job with so many workers at least and at most, and those that it has. */
function job(id: string, text: string, changes: Partial<SchedulableJob> = {}): SchedulableJob {
  const [, min, max, names = ''] = /^(\d+)\.\.(\d+)(?: on (\w*))?$/.exec(text)!;
  const { priority = 0, device = 'cpu' } = changes;
  return {
    id,
    priority,
    rank: priority,
    minWorkers: Number(min),
    maxWorkers: Number(max),
    device,
    isStarted: text.includes(' on'),
    present: names.length,
    workers: workers(names, device),
    isStuck: false,
    ...changes,
  };
}

const namesOf = (placement: Placement): string => ('workers' in placement ? placement.workers.map(({ name }) => name).join('') : '');
const lines = (placements: readonly Placement[]): string[] =>
  placements.map((placement) => [placement.type, placement.jobId, namesOf(placement) || placement.reason].join(' '));
const decide = (jobs: readonly SchedulableJob[], free = '', leaving = '') =>
  lines(placeJobs({ jobs, free: workers(free), leaving: workers(leaving) }));

test('each job gets its minimum in order of submission; what is left goes to those that can use more, in the same order', () => {
  expect(decide([job('one', '1..2'), job('two', '1..8')], 'cab')).toEqual(['assign one ac', 'assign two b']);
  expect(decide([job('one', '1..8'), job('two', '1..8')], 'abcd')).toEqual(['assign one acd', 'assign two b']);
});

test('a higher priority comes first, and an hour of waiting counts as one priority', () => {
  expect(decide([job('early', '2..2'), job('urgent', '2..2', { priority: 1 })], 'abc')).toEqual([
    'wait early waiting: needs 2 cpu workers, 1 free',
    'assign urgent ab',
  ]);
  const waited = { rank: effectivePriority(0, 2 * 3_600_000) };
  expect(decide([job('early', '2..2', waited), job('urgent', '2..2', { priority: 1 })], 'abc')).toEqual([
    'assign early ab',
    'wait urgent waiting: needs 2 cpu workers, 1 free',
  ]);
});

test('a job gets its minimum all at once, and keeps others of its device back until then', () => {
  const running = job('running', '1..1 on d');
  expect(decide([running, job('big', '4..4'), job('small', '1..1'), job('gpu', '1..1', { device: 'cuda' })], 'abc')).toEqual([
    'wait big waiting: needs 4 cpu workers, 3 free',
    'wait small waiting: behind big',
    'wait gpu waiting: needs 1 cuda worker, 0 free; 0 are connected',
  ]);
});

test('a job that needs more workers than there are keeps nobody back, except while workers may still be on their way', () => {
  const jobs = [job('big', '4..4'), job('small', '1..1')];
  expect(decide(jobs, 'abc')).toEqual(['wait big waiting: needs 4 cpu workers, 3 free; 3 are connected', 'assign small a']);
  expect(lines(placeJobs({ jobs, free: workers('abc'), isSettling: true }))[1]).toBe('wait small waiting: behind big');
});

test('reasons name other jobs as people call them, with the id behind', () => {
  const jobs = [
    job('job-1', '2..8 on ab', { name: 'faces' }),
    job('job-2', '2..2', { name: 'my cats', priority: 5 }),
    job('job-3', '1..1'),
  ];
  expect(decide(jobs)).toEqual([
    'preempt job-1 preempted by "my cats" (job-2) of priority 5',
    'wait job-2 waiting: needs 2 cpu workers, 0 free; "faces" (job-1) makes way',
    'wait job-3 waiting: behind "my cats" (job-2)',
  ]);
});

test('workers above the minimum of a job go to one that lacks its own, from whoever has most to spare', () => {
  const jobs = [job('one', '1..8 on abcd'), job('two', '1..8 on ef'), job('new', '2..8')];
  expect(placeJobs({ jobs, free: [] })).toMatchObject([
    { type: 'shrink', jobId: 'one', reason: 'new needs them to start', workers: [{ name: 'd' }, { name: 'c' }] },
    { type: 'wait', jobId: 'new', reason: 'waiting: needs 2 cpu workers, 0 free; one gives up 2 workers' },
  ]);
  expect(decide([job('urgent', '1..8 on ab', { priority: 5 }), job('new', '1..8')])).toEqual([
    'wait new waiting: needs 1 cpu worker, 0 free',
  ]);
});

test('a job of lower priority shrinks as far as it can go on, and is paused only when that is not enough', () => {
  const urgent = job('urgent', '2..2', { priority: 5 });
  expect(decide([job('low', '1..4 on abc'), urgent])).toEqual([
    'shrink low cb',
    'wait urgent waiting: needs 2 cpu workers, 0 free; low gives up 2 workers',
  ]);
  expect(decide([job('low', '2..2 on ab'), urgent])).toEqual([
    'preempt low preempted by urgent of priority 5',
    'wait urgent waiting: needs 2 cpu workers, 0 free; low makes way',
  ]);
  expect(decide([job('low', '2..2 on ab'), job('wide', '1..4 on cde', { priority: 1 }), urgent])[0]).toBe('shrink wide ed');
});

test('nobody gives up more than is needed: a job whose pause is enough spares the others', () => {
  const jobs = [job('wide', '1..4 on ab'), job('low', '3..3 on cde'), job('lowest', '1..1 on f', { priority: -1 })];
  expect(decide([...jobs, job('urgent', '3..3', { priority: 5 })])).toEqual([
    'preempt low preempted by urgent of priority 5',
    'wait urgent waiting: needs 3 cpu workers, 0 free; low makes way',
  ]);
});

test('nobody is paused when it would not be enough, for a job of its own priority, or while workers are leaving anyway', () => {
  expect(decide([job('low', '2..2 on ab'), job('urgent', '3..3', { priority: 5 })])).toEqual([
    'wait urgent waiting: needs 3 cpu workers, 0 free; 2 are connected',
  ]);
  expect(decide([job('low', '2..2 on ab'), job('new', '2..2')])).toEqual(['wait new waiting: needs 2 cpu workers, 0 free']);
  expect(decide([job('low', '2..2 on ab'), job('urgent', '2..2', { priority: 5 })], 'c', 'd')).toEqual([
    'wait urgent waiting: needs 2 cpu workers, 1 free; d is on the way',
  ]);
});

test('what is kept for a job that is about to start makes nobody grow; what a job merely waits beside is lent out', () => {
  const wide = job('wide', '1..8 on a');
  expect(decide([wide, job('urgent', '3..3', { priority: 5 })], 'b', 'cd')[0]).toMatch(/^wait urgent/);
  expect(decide([wide, job('fixed', '2..2 on cd'), job('big', '4..4')], 'b')).toEqual([
    'assign wide b',
    'wait big waiting: needs 4 cpu workers, 1 free',
  ]);
});

test('a job that lost workers gets them back before others of its priority begin; one that lacks them for long makes way', () => {
  const short = job('short', '2..2 on a');
  expect(decide([job('early', '2..2'), short], 'b')).toEqual(['wait early waiting: needs 2 cpu workers, 0 free', 'assign short b']);
  expect(decide([{ ...short, isStuck: true }, job('new', '1..1')])).toEqual([
    'preempt short it lacks workers, and new can use those that it has',
    'wait new waiting: needs 1 cpu worker, 0 free; short makes way',
  ]);
});

const queue = fc.record({
  workerCount: fc.integer({ min: 1, max: 6 }),
  jobs: fc.array(
    fc.record({
      arrives: fc.integer({ min: 0, max: 200 }),
      priority: fc.integer({ min: -1, max: 3 }),
      minWorkers: fc.integer({ min: 1, max: 6 }),
      extra: fc.integer({ min: 0, max: 4 }),
      work: fc.integer({ min: 1, max: 60 }),
    }),
    { minLength: 1, maxLength: 12 },
  ),
});
type Queue = typeof queue extends fc.Arbitrary<infer Value> ? Value : never;

const modelJobs = ({ jobs, workerCount }: Queue): ModelJob[] =>
  jobs.map(({ minWorkers, extra, ...rest }, index) => {
    const least = Math.min(minWorkers, workerCount);
    return { ...rest, id: `job-${index}`, minWorkers: least, maxWorkers: least + extra };
  });

test('whatever is submitted: no worker has two jobs, no job too many workers, each job ends, none is paused time and again', () => {
  fc.assert(
    fc.property(queue, (drawn) => {
      const jobs = modelJobs(drawn);
      const names = Array.from({ length: drawn.workerCount }, (_, i) => `w${i}`);
      const stories = playQueue({
        jobs,
        workers: names.map((name) => ({ name, from: 0, until: Number.POSITIVE_INFINITY })),
        ticks: 5000,
        check(owners) {
          const all = [...owners.values()].flat();
          if (new Set(all).size < all.length) throw new Error(`a worker has two jobs: ${all.join(' ')}`);
          const greedy = jobs.find(({ id, maxWorkers }) => (owners.get(id)?.length ?? 0) > maxWorkers);
          if (greedy !== undefined) throw new Error(`${greedy.id} has more than it may use`);
        },
      });
      for (const { id, priority } of jobs) {
        const story = stories.get(id)!;
        expect(story.end).toBeDefined();
        const higher = jobs.filter((other) => other.priority > priority).map((other) => stories.get(other.id)!.starts);
        expect(story.preemptions).toBeLessThanOrEqual(higher.reduce((sum, starts) => sum + starts, 0));
      }
    }),
    { numRuns: 150 },
  );
});

test('workers that come and go keep no job from its end once they stay', () => {
  const comings = fc.array(fc.tuple(fc.integer({ min: 0, max: 100 }), fc.integer({ min: 1, max: 100 })), { maxLength: 8 });
  fc.assert(
    fc.property(queue, comings, (drawn, times) => {
      const visitors = times.map(([from, length], i) => ({ name: `v${i}`, from, until: from + length }));
      const residents = Array.from({ length: drawn.workerCount }, (_, i) => ({
        name: `w${i}`,
        from: 150,
        until: Number.POSITIVE_INFINITY,
      }));
      const stories = playQueue({ jobs: modelJobs(drawn), workers: [...visitors, ...residents], ticks: 5000 });
      for (const [id, { end }] of stories) expect([id, end]).toEqual([id, expect.any(Number)]);
    }),
    { numRuns: 150 },
  );
});

test('a stream of jobs of higher priority does not keep a lower one from its turn', () => {
  const stream = Array.from({ length: 60 }, (_, i) => ({
    id: `high-${i}`,
    arrives: 20 * i,
    priority: 3,
    minWorkers: 2,
    maxWorkers: 2,
    work: 40,
  }));
  const low = { id: 'low', arrives: 5, priority: 0, minWorkers: 2, maxWorkers: 2, work: 30 };
  const stories = playQueue({
    jobs: [...stream, low],
    workers: ['a', 'b'].map((name) => ({ name, from: 0, until: Number.POSITIVE_INFINITY })),
    ticks: 5000,
  });
  const { firstStart, end, preemptions } = stories.get('low')!;
  // Three hours make up for three priorities.
  expect(firstStart).toBeLessThan(5 + 3 * 60 + 25);
  expect(preemptions).toBeLessThanOrEqual(1);
  expect(end).toBeLessThan(400);
});

test('a job that allows mixed devices takes workers of its own device first, and others where those are not enough', () => {
  const free = [...workers('ab', 'webgpu'), ...workers('c')];
  const place = (changes: Partial<SchedulableJob>): string[] => lines(placeJobs({ jobs: [job('one', '2..2', changes)], free }));
  expect(place({})).toEqual(['wait one waiting: needs 2 cpu workers, 1 free; 1 is connected']);
  expect(place({ allowsMixed: true })).toEqual(['assign one ca']);
});

test('while there is caution, a job without a step gets workers from lower priorities alone; one with a step from all', () => {
  const running = job('running', '1..4 on abc');
  const asked = (jobs: readonly SchedulableJob[], free = '') =>
    lines(placeJobs({ jobs, free: workers(free), caution: { failures: 2, untilMs: 60_000 } }));
  const fresh = job('fresh', '1..1', { hasStood: false });
  expect(decide([running, fresh])).toEqual([
    'shrink running c',
    'wait fresh waiting: needs 1 cpu worker, 0 free; running gives up 1 worker',
  ]);
  expect(asked([running, fresh])).toEqual([
    'wait fresh waiting: needs 1 cpu worker, 0 free; running jobs of its priority give up none before 1970-01-01T00:01:00.000Z, ' +
      'since 2 jobs in a row failed before their first step',
  ]);
  expect(asked([running, fresh], 'd')).toEqual(['assign fresh d']);
  expect(asked([running, job('known', '1..1', { hasStood: true })])[0]).toBe('shrink running c');
  expect(asked([running, job('urgent', '1..1', { hasStood: false, priority: 1 })])[0]).toBe('shrink running c');
  expect(asked([job('stuck', '4..4 on abc', { isStuck: true }), fresh])[0]).toMatch(/^preempt stuck/);
  // Nobody could give it any: caution is not why it waits.
  expect(asked([job('small', '1..4 on a'), fresh])).toEqual(['wait fresh waiting: needs 1 cpu worker, 0 free']);
});

test('behind a job whose turn it is, only the next ones are told which it is', () => {
  const jobs = [job('running', '1..1 on a'), ...Array.from({ length: 24 }, (_, i) => job(`job-${i}`, '1..1'))];
  const reasons = decide(jobs);
  expect(reasons.slice(0, 2)).toEqual(['wait job-0 waiting: needs 1 cpu worker, 0 free', 'wait job-1 waiting: behind job-0']);
  expect(reasons.slice(20, 22)).toEqual(['wait job-20 waiting: behind job-0', 'wait job-21 waiting: behind more than 20 other jobs']);
});

test('a queue of ten thousand jobs is decided on with a few looks at each', () => {
  let looks = 0;
  const counted = (one: SchedulableJob): SchedulableJob =>
    Object.defineProperty({ ...one }, 'workers', {
      get() {
        looks++;
        return one.workers;
      },
    });
  // Each needs more than there are, so that none holds the others back and all are looked at.
  const queue = Array.from({ length: 10_000 }, (_, i) => job(`job-${i}`, '4..4'));
  const placements = placeJobs({ jobs: [job('running', '1..4 on ab', { isStarted: true }), ...queue].map(counted), free: [] });
  expect(placements).toHaveLength(10_000);
  expect(new Set(placements.map((placement) => placement.reason))).toEqual(
    new Set(['waiting: needs 4 cpu workers, 0 free; 2 are connected']),
  );
  expect(looks).toBeLessThan(100_000);
});
