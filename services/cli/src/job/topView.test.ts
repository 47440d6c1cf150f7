import { expect, test } from '@jest/globals';
import type { Job, WorkerInfo } from '@maestro/protocol';
import { type TopFrame, topLines } from './topView.ts';

const member = { firstRank: 0, ranks: 8, status: 'working', phaseSeconds: 0.3, waitingFor: '', lastHeard: '' };
const job = (changes: Partial<Job>): Job =>
  ({
    id: 'job-1',
    name: 'garments',
    state: 'running',
    message: 'training on a',
    specJson: '{"priority":5}',
    createdAt: '2026-01-01T00:00:00Z',
    progress: { step: 30, totalSteps: 120, images: 100, metrics: { loss: 0.51234 }, imagesPerSecond: 41.25, etaSeconds: 75 },
    members: [{ ...member, name: 'a', id: 'a:1', phase: 'forward', step: 30 }],
    ...changes,
  }) as Job;
const worker = (name: string, changes: Partial<WorkerInfo> = {}): WorkerInfo =>
  ({ name, id: `${name}:1`, device: 'cpu', jobId: '', isDrained: false, ...changes }) as WorkerInfo;
const frame = (changes: Partial<TopFrame>): TopFrame => ({ coordinator: 'here:7070', nowMs: 0, jobs: [], workers: [], ...changes });

test('jobs with speed, loss and why they wait, and workers with what they do, each on a line', () => {
  const waits = job({
    id: 'job-2',
    name: 'faces',
    state: 'queued',
    message: 'waiting: behind job-1',
    specJson: '{}',
    progress: null,
    members: [],
  });
  const lines = topLines(frame({ jobs: [waits, job({})], workers: [worker('b', { isDrained: true }), worker('a', { jobId: 'job-1' })] }));
  expect(lines).toEqual([
    'maestro here:7070   00:00:00   1 running, 1 waiting   2 workers, 0 free   41.3 images/s',
    '',
    'JOB    NAME      PRIO  STATE      STEP  DONE    LOSS  IMG/S  LEFT  NOTE',
    'job-1  garments     5  running  30/120  25 %  0.5123   41.3  1:15',
    'job-2  faces        0  queued        -     -       -      -     -  waiting: behind job-1',
    '',
    'WORKER  DEVICE  JOB             RANKS  STEP  PHASE    FOR    WAITS FOR',
    'a       cpu     job-1           0..7     30  forward  0.3 s',
    'b       cpu     free (drained)  -         -  -        -',
  ]);
});

test('an empty cluster says what to do, and lines are cut to the terminal', () => {
  const lines = topLines(frame({}), 40);
  expect(lines.slice(2)).toEqual(['no jobs yet; submit one with `maestro s…', '', 'no workers are connected; `maestro up` …']);
});
