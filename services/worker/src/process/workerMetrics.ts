import { STEP_PHASES, type StepPhase, type StepTimes } from '@maestro/protocol';
import { addProcessMetrics, Counter, Gauge, Histogram, type MetricFamily, Registry, readFamilies } from '@maestro/telemetry';

/** A worker's own measurements, over all its jobs. */
export interface WorkerMetrics {
  /** Records an applied step, and the images that this worker contributed to its batch. */
  step(times: StepTimes, images: number): void;
  /** Adds the bytes of steps exchanged with peers since the last call. */
  traffic(bytes: { readonly sent: number; readonly received: number }): void;
  /** Sets the current view; undefined for none. */
  view(generation: number | undefined): void;
  /** Records a written checkpoint. */
  checkpoint(of: { readonly stallSeconds: number; readonly writeSeconds: number }): void;
  /** Sets the number of applied steps that no ledger is known to have. */
  unacknowledged(steps: number): void;
  read(): Promise<MetricFamily[]>;
  close(): void;
}

/** Upper bounds of step phases, in seconds: durations below a millisecond do not matter. */
const PHASE_BUCKETS = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100];
/** Weight of the newest step in the mean lag. */
const LAG_WEIGHT = 0.1;

const LABELS: Readonly<Record<StepPhase, string>> = {
  data: 'data',
  forward: 'forward',
  wait: 'wait',
  reduceScatter: 'reduce_scatter',
  allGather: 'all_gather',
  apply: 'apply',
  other: 'other',
};

/** Opens a worker's metrics. Labels are few and fixed: never a step, a job or any other id. */
export function openWorkerMetrics(): WorkerMetrics {
  const registry = new Registry();
  const registers = [registry];
  const stopProcess = addProcessMetrics(registry);
  const phases = new Histogram({
    name: 'maestro_step_duration_seconds',
    help: 'Where the time of a training step went on this worker, by phase; the phases of a step add up to its duration.',
    labelNames: ['phase'],
    buckets: PHASE_BUCKETS,
    registers,
  });
  const images = new Counter({ name: 'maestro_images_total', help: 'Images whose gradients this worker computed.', registers });
  const bytes = new Counter({
    name: 'maestro_allreduce_bytes_total',
    help: 'Bytes of gradients and parameters exchanged with peers in steps.',
    labelNames: ['direction'],
    registers,
  });
  const lag = new Gauge({
    name: 'maestro_barrier_lag_seconds',
    help:
      'By how much this worker comes later to the barrier of a step than the first one, mean of the last steps: the straggler ' +
      'has the largest.',
    registers,
  });
  const generation = new Gauge({
    name: 'maestro_generation',
    help: 'Generation of the view that it works for, 0 when for none.',
    registers,
  });
  const stall = new Histogram({
    name: 'maestro_checkpoint_stall_seconds',
    help: 'How long steps stood still for a checkpoint.',
    buckets: PHASE_BUCKETS,
    registers,
  });
  const write = new Histogram({
    name: 'maestro_checkpoint_write_seconds',
    help: 'How long a checkpoint was being written while steps went on.',
    buckets: PHASE_BUCKETS,
    registers,
  });
  const unacknowledged = new Gauge({
    name: 'maestro_steps_unacknowledged',
    help: 'Steps that it has applied and that no ledger is known to have.',
    registers,
  });
  let meanLag: number | undefined;

  return {
    step(times, count) {
      for (const phase of STEP_PHASES) phases.observe({ phase: LABELS[phase] }, times[phase]);
      images.inc(count);
      meanLag = meanLag === undefined ? times.lag : meanLag * (1 - LAG_WEIGHT) + times.lag * LAG_WEIGHT;
      lag.set(meanLag);
    },
    traffic({ sent, received }) {
      bytes.inc({ direction: 'sent' }, sent);
      bytes.inc({ direction: 'received' }, received);
    },
    view(of) {
      generation.set(of ?? 0);
      meanLag = undefined;
      lag.set(0);
    },
    checkpoint({ stallSeconds, writeSeconds }) {
      stall.observe(stallSeconds);
      write.observe(writeSeconds);
    },
    unacknowledged: (steps) => unacknowledged.set(steps),
    read: () => readFamilies(registry),
    close: stopProcess,
  };
}
