import { addProcessMetrics, endWithParent, Histogram, Registry, readFamilies } from '@maestro/telemetry';
import { attachWorker } from './simulatedWorker.ts';

/** Interval of a free worker's metrics. */
const METRICS_MS = 30_000;

/**
 * `node idleWorkers.js COORDINATOR FIRST COUNT`: this many workers that only say hello and send heartbeats and occasionally their metrics,
 * each over its own connection. Notifies its parent when all are welcome.
 */
const [coordinator, first, count] = process.argv.slice(2) as [string, string, string];
endWithParent();
const familiesJson = await metricsOfAnIdleWorker();
let welcome = 0;

for (let index = 0; index < Number(count); index++) {
  attachWorker({
    coordinator,
    name: `idle-${Number(first) + index}`,
    onMessage(message, { send }) {
      if (message.kind !== 'welcome') return;
      const idle = { jobId: '', generation: 0, step: 0, phase: '', phaseSeconds: 0, waitingFor: '', rankSeconds: 0 };
      setInterval(() => send({ kind: 'heartbeat', ...idle }), message.heartbeatMs);
      const tellMetrics = (): void => send({ kind: 'metrics', jobId: '', familiesJson });
      setTimeout(() => setInterval(tellMetrics, METRICS_MS), (METRICS_MS * index) / Number(count));
      if (++welcome === Number(count)) process.send?.('welcome');
    },
  });
}

/** Returns as many values as a real worker has. */
async function metricsOfAnIdleWorker(): Promise<string> {
  const registry = new Registry();
  addProcessMetrics(registry);
  const phases = new Histogram({ name: 'maestro_step_duration_seconds', help: 'x', labelNames: ['phase'], registers: [registry] });
  for (const phase of ['data', 'forward', 'wait', 'reduce_scatter', 'all_gather', 'apply', 'other']) phases.observe({ phase }, 1);
  return JSON.stringify(await readFamilies(registry));
}
