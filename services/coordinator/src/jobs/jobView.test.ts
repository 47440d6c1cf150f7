import { describe, expect, test } from '@jest/globals';
import { jobSchedule } from '@maestro/data';
import type { StepCommitted } from '@maestro/protocol';
import { queuedRun } from '../run/state/runState.ts';
import { jobFacts } from '../testing/runEvent.ts';
import { advanceProgress, initialProgress, newJob, withRun } from './jobView.ts';

const facts = jobFacts([]);
const schedule = jobSchedule(facts.spec, 800);
const NOW = '2026-01-01T00:00:00.000Z';

test('a job whose devices are mixed has the condition that its bits are not promised, with why', () => {
  const inexact = 'b computes on webgpu and a on cpu, as allowMixedDevices allows';
  const job = newJob({ id: 'job-1', spec: facts.spec, specJson: '', now: '' });
  const { conditions } = withRun(job, { ...queuedRun(facts, 1, 0), inexact }, NOW);
  expect(conditions).toContainEqual({ type: 'Exact', status: false, reason: 'MixedDevices', message: inexact, lastTransitionTime: NOW });
  expect(withRun(job, queuedRun(facts, 1, 0), NOW).conditions.some(({ type }) => type === 'Exact')).toBe(false);
});

describe('progress', () => {
  const committed = (step: number, metrics: Record<string, number>, images = 8): StepCommitted => ({
    ...{ jobId: 'job-1', generation: 1, step, images, stepSeconds: 2, ranks: [] },
    metrics,
  });

  test('has the newest value of each metric and the first, also of one that not every step tells', () => {
    const steps = [committed(1, { loss: 3 }), committed(2, { loss: 2, psnr: 20 }), committed(3, { loss: 1 })];
    const { metrics, firstMetrics } = steps.reduce(
      (progress, step) => advanceProgress(progress, step, schedule),
      initialProgress(schedule, 0),
    );
    expect(metrics).toEqual({ loss: 1, psnr: 20 });
    expect(firstMetrics).toEqual({ loss: 3, psnr: 20 });
  });

  test('counts images, and what a step lacks of its samples as broken', () => {
    const progress = advanceProgress(initialProgress(schedule, 0), committed(1, {}, 6), schedule);
    expect(progress).toMatchObject({ step: 1, totalSteps: 1000, images: 6, skippedImages: 2, imagesPerSecond: 3, metrics: {} });
    expect(progress.epoch).toBe(0.01);
  });
});
