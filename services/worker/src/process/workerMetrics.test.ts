import { readFile } from 'node:fs/promises';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { printFamilies } from '@maestro/telemetry';
import { openWorkerMetrics, type WorkerMetrics } from './workerMetrics.ts';

let metrics: WorkerMetrics;
beforeEach(() => {
  metrics = openWorkerMetrics();
});
afterEach(() => metrics.close());

const times = { step: 1, startMs: 0, data: 1, forward: 2, wait: 3, reduceScatter: 4, allGather: 5, apply: 6, other: 7, lag: 0.5 };

test('phases of a step, its images and the lag come to the page, and nothing that grows with the steps', async () => {
  for (let step = 1; step <= 3; step++) metrics.step({ ...times, step }, 16);
  metrics.traffic({ sent: 10, received: 20 });
  metrics.checkpoint({ stallSeconds: 0.1, writeSeconds: 1 });
  const page = printFamilies(await metrics.read());
  expect(page).toContain('maestro_step_duration_seconds_sum{phase="reduce_scatter"} 12\n');
  expect(page).toContain('maestro_images_total 48\n');
  expect(page).toContain('maestro_barrier_lag_seconds 0.5\n');
  const lines = page.split('\n').length;
  for (let step = 4; step <= 500; step++) metrics.step({ ...times, step }, 16);
  expect(printFamilies(await metrics.read()).split('\n')).toHaveLength(lines);
});

test('a new view forgets who lagged in the last one', async () => {
  metrics.step(times, 16);
  metrics.view(7);
  const page = printFamilies(await metrics.read());
  expect(page).toContain('maestro_barrier_lag_seconds 0\n');
  expect(page).toContain('maestro_generation 7\n');
});

test('the reference names every metric of a worker', async () => {
  const text = await readFile(new URL('../../../../docs/reference/metrics.md', import.meta.url), 'utf8');
  const names = (await metrics.read()).map(({ name }) => name);
  expect(names.length).toBeGreaterThan(8);
  expect(names.filter((name) => !new RegExp(`\`${name}(\\{[a-z]+\\})?\``).test(text))).toEqual([]);
});
