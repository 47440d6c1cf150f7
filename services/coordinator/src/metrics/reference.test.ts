import { readFile } from 'node:fs/promises';
import { expect, test } from '@jest/globals';
import { openCoordinatorMetrics } from './coordinatorMetrics.ts';

test('the reference names every metric of the coordinator', async () => {
  const text = await readFile(new URL('../../../../docs/reference/metrics.md', import.meta.url), 'utf8');
  const metrics = openCoordinatorMetrics();
  metrics.recovery('hold', 1);
  const job = {
    name: 'one',
    state: 'running',
    generation: 1,
    members: [],
    progress: { metrics: { loss: 1, learningRate: 1, gradNorm: 1 }, imagesPerSecond: 1, step: 1, totalSteps: 1 },
  };
  const page = await metrics.print({
    jobs: [{ job: job as never, unwrittenSteps: 0, goodput: 0.5, wants: { device: 'cpu', workers: 1 } }],
    workers: [],
  });
  metrics.close();
  const names = [...page.matchAll(/^# TYPE ([a-z_]+) /gm)].map(([, name]) => name!);
  expect(names.length).toBeGreaterThan(15);
  expect(names.filter((name) => !new RegExp(`\`${name}(\\{[a-z]+\\})?\``).test(text))).toEqual([]);
});
