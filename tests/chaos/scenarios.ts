import { FAILURE_TIMEOUT_MS } from './runScenario.ts';
import type { Scenario } from './scenario.ts';

/** All scenarios, in the order in which they run. */
export const SCENARIOS: readonly Scenario[] = [
  { name: 'quiet', story: 'nothing goes wrong, on three workers', workers: 3 },
  {
    name: 'stop-below-timeout',
    story: 'a worker is stopped for half the failure timeout',
    async act({ atStep, mark, cluster }) {
      await atStep(8);
      mark();
      cluster.kill('worker-b', 'SIGSTOP');
      setTimeout(() => cluster.resume('worker-b'), FAILURE_TIMEOUT_MS / 2);
    },
  },
  {
    name: 'slow-network',
    story: 'everything between worker-b and the rest takes 20 ms longer each way',
    isProxied: true,
    async act({ atStep, proxies }) {
      await atStep(5);
      for (const proxy of Object.values(proxies('worker-b'))) proxy.delay(20);
    },
  },
];
