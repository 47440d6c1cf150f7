import { expect, test } from '@jest/globals';
import type { Job } from '@maestro/protocol';
import { jobDescription } from './jobTable.ts';

const at = '2026-01-01T00:00:00.000Z';
const written = [2, 4].map((step) => ({ step, hash: `hash-${step}`, path: `/c/${step}` }));
const job = {
  id: 'job-1',
  name: 'n',
  state: 'succeeded',
  message: 'finished',
  specJson: '{"recipe":"mae-pretrain"}',
  createdAt: at,
  startedAt: at,
  endedAt: at,
  generation: 3,
  stepsRedone: 0,
  progress: {
    step: 4,
    totalSteps: 4,
    epoch: 1,
    images: 0,
    skippedImages: 0,
    imagesPerSecond: 5,
    etaSeconds: 2,
    metrics: { loss: 1, learningRate: 1, gradNorm: 1 },
    firstMetrics: { loss: 2 },
  },
  members: [
    { name: 'w', firstRank: 0, ranks: 8, status: 'active', phase: 'compute', step: 4, phaseSeconds: 0, waitingFor: '', lastHeard: at },
  ],
  conditions: [],
  events: [{ time: at, generation: 2, step: 1, type: 'view', message: 'm' }],
  checkpoints: written,
} as unknown as Job;
const nowMs = Date.parse(at);

test('checkpoints count as there by their hash, and what else lies at their steps is told', () => {
  const foreign = { ...written[1]!, hash: 'other', bytes: 1, createdAt: at, valid: false, problem: 'state.json was written by job-2' };
  const stored = [{ ...written[0]!, bytes: 1, createdAt: at, valid: true, problem: '' }, foreign];
  expect(jobDescription(job, { nowMs, stored }).split('Checkpoints')[1]!.split('\n')).toEqual([
    ': (2 written, 1 of them on disk)',
    '  step 2  hash-2  /c/2',
    '  step 4  INVALID: state.json was written by job-2  /c/4',
  ]);
});

test('what only a job that runs has is left out of one that has ended', () => {
  expect(jobDescription({ ...job, state: 'running' }, { nowMs })).toMatch(/Speed: [\s\S]*Members:\n {2}w /);
  expect(jobDescription(job, { nowMs })).not.toMatch(/Speed:|Members:|in compute/);
});

test('metrics have a line of their own, and none where the job told none', () => {
  expect(jobDescription(job, { nowMs })).toContain('\nLoss:       1.000000 (first 2.000000), lr 1.000e+0, gradient norm 1.000\n');
  const silent = { ...job, progress: { ...job.progress!, metrics: {}, firstMetrics: {} } };
  expect(jobDescription(silent, { nowMs })).not.toMatch(/loss/i);
});

test('that events are left out is said, and where the others are', () => {
  expect(jobDescription(job, { nowMs })).toContain('Events: (the newest; older events are not kept)\n');
  const [event] = job.events;
  expect(jobDescription({ ...job, events: [{ ...event!, generation: 1 }] }, { nowMs })).toContain('Events:\n');
  expect(jobDescription({ ...job, events: Array.from({ length: 30 }, () => event!) }, { nowMs })).toContain('5 older with --json');
});
