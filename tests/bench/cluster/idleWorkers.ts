import {
  type CoordinatorMessage,
  channelCredentials,
  controlChannelOptions,
  failureTimeouts,
  fromWire,
  loadService,
  toWire,
  type Wire,
  type WorkerMessage,
} from '@maestro/protocol';
import { addProcessMetrics, endWithParent, Histogram, Registry, readFamilies } from '@maestro/telemetry';

/** The part of a control stream used here. */
interface ControlCall {
  write(wire: Wire): unknown;
  on(event: 'data', listener: (wire: Wire) => void): void;
  on(event: 'error', listener: (error: Error) => void): void;
  on(event: 'end', listener: () => void): void;
}

/** Interval of a free worker's metrics. */
const METRICS_MS = 30_000;

/**
 * `node idleWorkers.js COORDINATOR FIRST COUNT`: this many workers that only say hello and send heartbeats and occasionally their metrics,
 * each over its own connection. Notifies its parent when all are welcome.
 */
const [coordinator, first, count] = process.argv.slice(2) as [string, string, string];
endWithParent();
const Client = loadService('coordinator.proto', 'Coordinator');
const options = { ...controlChannelOptions(failureTimeouts()), 'grpc.use_local_subchannel_pool': 1 };
const familiesJson = await metricsOfAnIdleWorker();
let welcome = 0;

const attach = (index: number): void => {
  const client = new Client(coordinator, channelCredentials(undefined), options);
  const call = (client as unknown as { attach(): ControlCall }).attach();
  const send = (message: WorkerMessage): void => void call.write(toWire(message));
  call.on('data', (wire: Wire) => {
    const message = fromWire<CoordinatorMessage>(wire);
    if (message?.kind === 'refused') fail(message.message);
    if (message?.kind !== 'welcome') return;
    const idle = { jobId: '', generation: 0, step: 0, phase: '', phaseSeconds: 0, waitingFor: '', rankSeconds: 0 };
    setInterval(() => send({ kind: 'heartbeat', ...idle }), message.heartbeatMs);
    setTimeout(
      () => setInterval(() => send({ kind: 'metrics', jobId: '', familiesJson }), METRICS_MS),
      (METRICS_MS * index) / Number(count),
    );
    if (++welcome === Number(count)) process.send?.('welcome');
  });
  call.on('error', (error) => fail(error.message));
  call.on('end', () => fail('the coordinator ended the stream'));
  const name = `idle-${index}`;
  send({
    kind: 'hello',
    name,
    id: `${name}:1`,
    address: '127.0.0.1:1',
    device: 'cpu',
    threads: 1,
    pid: process.pid,
    host: 'bench',
    buildJson: '{}',
    incarnation: 0,
    standing: null,
    sessionKey: '',
    operators: 0,
    kernels: '',
  });
};

for (let i = 0; i < Number(count); i++) attach(Number(first) + i);

function fail(reason: string): void {
  process.stderr.write(`idle workers from ${first}: ${reason}\n`);
  process.exit(1);
}

/** Returns as many values as a real worker has. */
async function metricsOfAnIdleWorker(): Promise<string> {
  const registry = new Registry();
  addProcessMetrics(registry);
  const phases = new Histogram({ name: 'maestro_step_duration_seconds', help: 'x', labelNames: ['phase'], registers: [registry] });
  for (const phase of ['data', 'forward', 'wait', 'reduce_scatter', 'all_gather', 'apply', 'other']) phases.observe({ phase }, 1);
  return JSON.stringify(await readFamilies(registry));
}
