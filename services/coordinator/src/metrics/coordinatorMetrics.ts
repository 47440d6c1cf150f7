import { exportName, isTerminal, JOB_STATES, type Job, type JobState, recipeInfos, type WorkerInfo } from '@maestro/protocol';
import {
  addProcessMetrics,
  Counter,
  Histogram,
  type MetricFamily,
  mergeFamilies,
  parseFamilies,
  printFamilies,
  Registry,
  readFamilies,
  withLabels,
} from '@maestro/telemetry';
import type { RecoveryPhase } from './recovery.ts';

/** Metrics of a job that has not ended; one without a view yet appears only in the counts. */
export interface JobGauges {
  readonly job: Job;
  /** Committed steps that are not in the ledger yet. */
  readonly unwrittenSteps: number;
  /** Share of the time since the coordinator has had the job that was spent on steps that count; undefined before the first. */
  readonly goodput: number | undefined;
  /** Number of workers that it could use, and their device. */
  readonly wants: { readonly device: string; readonly workers: number };
}

/** The coordinator's measurements over all jobs, besides those of each. */
export interface CoordinatorMetrics {
  committed(of: { readonly images: number; readonly stepSeconds: number }): void;
  redone(): void;
  recovery(phase: RecoveryPhase, seconds: number): void;
  /** Records the time since the previous heartbeat of the same worker. */
  heartbeat(gapSeconds: number): void;
  reconstruction(seconds: number): void;
  /** Stores a worker's own metrics, as JSON; they are shown until {@link CoordinatorMetrics.forget}. */
  worker(id: string, name: string, familiesJson: string): void;
  forget(workerId: string): void;
  /** Renders the page for Prometheus. */
  print(state: { readonly jobs: readonly JobGauges[]; readonly workers: readonly WorkerInfo[] }): Promise<string>;
  close(): void;
}

/** Upper bounds in seconds. */
const STEP_BUCKETS = [0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100];
const RECOVERY_BUCKETS = [0.1, 0.3, 1, 3, 10, 30, 100, 300];
const HEARTBEAT_BUCKETS = [0.1, 0.25, 0.4, 0.45, 0.49, 0.5, 0.505, 0.51, 0.52, 0.55, 0.6, 0.75, 1, 1.5, 2, 3, 5, 10];
/** Limits the metrics of one worker, in characters. */
const MOST_WORKER_CHARACTERS = 256 * 1024;

/**
 * Opens the coordinator's metrics. Labels are few: the name of a job that has had a view and has not ended, of a connected worker, a phase,
 * a state.
 */
export function openCoordinatorMetrics(): CoordinatorMetrics {
  const registry = new Registry();
  const registers = [registry];
  const stopProcess = addProcessMetrics(registry);
  const samples = new Counter({
    name: 'maestro_samples_committed_total',
    help: 'Images of committed steps, over all jobs; recomputed steps count once.',
    registers,
  });
  const steps = new Counter({ name: 'maestro_steps_committed_total', help: 'Committed steps, over all jobs.', registers });
  const redone = new Counter({
    name: 'maestro_steps_redone_total',
    help: 'Committed steps that were recomputed because their weights were lost.',
    registers,
  });
  const stepSeconds = new Histogram({
    name: 'maestro_committed_step_seconds',
    help: 'Duration of committed steps.',
    buckets: STEP_BUCKETS,
    registers,
  });
  const recovery = new Histogram({
    name: 'maestro_recovery_seconds',
    help:
      'Time a job lost to a view change, by phase: until all members have stopped, until the new view is formed, until its ' +
      'first step is committed.',
    labelNames: ['phase'],
    buckets: RECOVERY_BUCKETS,
    registers,
  });
  const heartbeats = new Histogram({
    name: 'maestro_heartbeat_gap_seconds',
    help: 'Time between heartbeats of a worker, as received.',
    buckets: HEARTBEAT_BUCKETS,
    registers,
  });
  const reconstructions = new Histogram({
    name: 'maestro_reconstruction_seconds',
    help: 'Time to draw the reconstructions of a checkpoint.',
    buckets: RECOVERY_BUCKETS,
    registers,
  });
  const workers = new Map<string, { readonly name: string; readonly familiesJson: string }>();

  return {
    committed({ images, stepSeconds: seconds }) {
      samples.inc(images);
      steps.inc();
      stepSeconds.observe(seconds);
    },
    redone: () => redone.inc(),
    recovery: (phase, seconds) => recovery.observe({ phase }, seconds),
    heartbeat: (seconds) => heartbeats.observe(seconds),
    reconstruction: (seconds) => reconstructions.observe(seconds),
    worker(id, name, familiesJson) {
      if (familiesJson.length <= MOST_WORKER_CHARACTERS) workers.set(id, { name, familiesJson });
    },
    forget: (id) => void workers.delete(id),
    async print(state) {
      const told = [...workers.values()].map(({ name, familiesJson }) => withLabels(parseFamilies(familiesJson) ?? [], { worker: name }));
      return printFamilies(mergeFamilies([await readFamilies(registry), stateFamilies(state), ...told]));
    },
    close: stopProcess,
  };
}

/** Device types of workers. */
const DEVICES = ['cpu', 'cuda'] as const;
/** States in which a job wants workers; one that a person has paused wants none. */
const WANTING: ReadonlySet<string> = new Set<JobState>(['queued', 'starting', 'running']);

/** Describes the current jobs and workers as metrics. Two running jobs with the same name are distinguished by a number. */
function stateFamilies({
  jobs,
  workers,
}: {
  readonly jobs: readonly JobGauges[];
  readonly workers: readonly WorkerInfo[];
}): MetricFamily[] {
  const states = JOB_STATES.filter((state) => !isTerminal(state));
  // Jobs that wait for their first view, possibly thousands, appear only in the count.
  const named = withUniqueNames(jobs.filter(({ job }) => job.generation > 0));
  const perJob = (name: string, help: string, value: (of: JobGauges) => number | undefined): MetricFamily => ({
    name,
    help,
    type: 'gauge',
    values: named.flatMap(({ name: job, of }) => {
      const found = value(of);
      return found === undefined ? [] : [{ labels: { job }, value: found }];
    }),
  });
  const wanting = jobs.filter(({ job }) => WANTING.has(job.state));
  const wanted = (device: string): number => wanting.reduce((sum, { wants }) => sum + (wants.device === device ? wants.workers : 0), 0);
  const busy = workers.filter(({ jobId }) => jobId !== '').length;
  const drained = workers.filter(({ jobId, isDrained }) => jobId === '' && isDrained).length;
  return [
    {
      name: 'maestro_jobs',
      help: 'Jobs that have not ended, by state.',
      type: 'gauge',
      values: states.map((state) => ({ labels: { state }, value: jobs.filter(({ job }) => job.state === state).length })),
    },
    {
      name: 'maestro_workers',
      help: 'Connected workers: busy with a job, free, or draining.',
      type: 'gauge',
      values: Object.entries({ busy, free: workers.length - busy - drained, drained }).map(([state, value]) => ({
        labels: { state },
        value,
      })),
    },
    {
      name: 'maestro_workers_wanted',
      help: 'Workers that waiting and running jobs could use, by device; the target for autoscaling.',
      type: 'gauge',
      values: DEVICES.map((device) => ({ labels: { device }, value: wanted(device) })),
    },
    ...recipeFamilies(perJob),
    perJob('maestro_images_per_second', 'Speed, mean over the latest steps.', ({ job }) => job.progress?.imagesPerSecond),
    perJob('maestro_step', 'Steps committed.', ({ job }) => job.progress?.step),
    perJob('maestro_steps', 'Steps in all.', ({ job }) => job.progress?.totalSteps),
    perJob('maestro_generation', 'Generation of the view; increases with each change of members.', ({ job }) => job.generation),
    perJob('maestro_members', 'Members of the view.', ({ job }) => job.members.filter(({ status }) => status !== 'left').length),
    perJob('maestro_ledger_steps_waiting', 'Committed steps that are not in the ledger yet.', ({ unwrittenSteps }) => unwrittenSteps),
    perJob(
      'maestro_goodput_ratio',
      'Share of the time since this coordinator first saw the job running that was spent on steps that counted.',
      ({ goodput }) => goodput,
    ),
  ];
}

/** Returns the recipes' step metrics: one family for each name, whichever recipes have it. */
function recipeFamilies(
  perJob: (name: string, help: string, value: (of: JobGauges) => number | undefined) => MetricFamily,
): readonly MetricFamily[] {
  const told = recipeInfos().flatMap(({ series }) => series);
  return [...new Set(told.map(exportName))].map((exported) => {
    const metrics = told.filter((metric) => exportName(metric) === exported);
    const newest = ({ job: { progress } }: JobGauges): number | undefined =>
      metrics.map(({ name }) => progress?.metrics[name]).find((value) => value !== undefined);
    return perJob(`maestro_${exported}`, `${metrics[0]!.label} of the last committed step.`, newest);
  });
}

function withUniqueNames(jobs: readonly JobGauges[]): { readonly name: string; readonly of: JobGauges }[] {
  const seen = new Map<string, number>();
  return jobs.map((of) => {
    const { name } = of.job;
    const count = (seen.get(name) ?? 0) + 1;
    seen.set(name, count);
    return { name: count === 1 ? name : `${name} (${count})`, of };
  });
}
