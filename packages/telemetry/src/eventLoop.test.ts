import { expect, test } from '@jest/globals';
import { monitorEventLoop } from './index.ts';

/** Polls until `done`, with a deadline. */
async function until(done: () => boolean): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!done()) {
    if (Date.now() > deadline) throw new Error('deadline');
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

test('a blocked loop shows as its maximum, and a read with reset starts anew', async () => {
  const monitor = monitorEventLoop({ resolutionMs: 2 });
  try {
    await until(() => monitor.read().samples > 0);
    const start = performance.now();
    while (performance.now() - start < 200);
    await until(() => monitor.read().maxMs > 100);
    const { p50Ms, p99Ms, maxMs } = monitor.read({ reset: true });
    expect(maxMs).toBeGreaterThan(150);
    expect(p50Ms).toBeLessThanOrEqual(p99Ms);
    expect(p99Ms).toBeLessThanOrEqual(maxMs);
    expect(monitor.read()).toEqual({ p50Ms: 0, p99Ms: 0, maxMs: 0, samples: 0 });
  } finally {
    monitor.close();
  }
});
