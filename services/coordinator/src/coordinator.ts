import { jobSchedule, type Schedule } from '@maestro/data';
import {
  type CoordinatorMessage,
  errorMessage,
  type Hello,
  type ImagesSkipped,
  isTerminal,
  type Job,
  type JobAudit,
  type JobSpec,
  MaestroError,
  newJobId,
  parseJobSpec,
  type WorkerInfo,
  type WorkerMessage,
} from '@maestro/protocol';
import type { Logger } from '@maestro/telemetry';
import { auditJob } from './auditJob.ts';
import { type Bookkeeper, openBookkeeper } from './bookkeeper.ts';
import { DEFAULT_RUN_TIMEOUTS, type JobRun, queuedRun, type RunEffect, type RunEvent, transition } from './jobRun.ts';
import { advanceProgress, initialProgress, newJob, withCheckpoint, withRun } from './jobView.ts';
import { placeJobs } from './placement.ts';
import type { ShardWriter } from './shardWriter.ts';
import type { Store } from './store.ts';

/** How often workers report, in milliseconds. */
export const HEARTBEAT_MS = 500;
const TICK_MS = 250;
const SAVE_EVERY_MS = 1000;
const DRAIN_MS = 10_000;

/** What a coordinator is made of. */
export interface CoordinatorOptions {
  readonly store: Store;
  /** Opens the queues through which a job's workers lease their data. */
  readonly openShards: (jobId: string, schedule: Schedule) => ShardWriter;
  /** Reads the step of a checkpoint that a job resumes from; throws when it cannot be used. */
  readonly inspectCheckpoint: (path: string) => Promise<{ readonly step: number }>;
  readonly log: Logger;
}

/** A worker's control stream, as the coordinator uses it. */
export interface WorkerSession {
  receive(message: WorkerMessage): void;
  /** The stream ended; `evidence` says how. */
  closed(evidence: string): void;
}

/** Everything the services ask of the coordinator. */
export interface Coordinator {
  readonly incarnation: number;
  submit(specJson: string, idempotencyKey: string): Promise<Job>;
  get(id: string): Job;
  list(): Job[];
  /** Calls `listener` now and at every change until the job has ended; gives the way to stop. */
  watch(id: string, listener: (job: Job) => void): () => void;
  cancel(id: string): Job;
  /** Compares the job's ledger with its permutations. */
  audit(id: string): Promise<JobAudit>;
  workers(): WorkerInfo[];
  attach(hello: Hello, send: (message: CoordinatorMessage) => void): WorkerSession;
  /** Stops running jobs (each writes a checkpoint) and waits until they have ended. */
  close(): Promise<void>;
}

interface ActiveJob {
  job: Job;
  run: JobRun;
  readonly spec: JobSpec;
  readonly listeners: Set<(job: Job) => void>;
  readonly books: Bookkeeper;
  lastSavedMs: number;
}

interface ConnectedWorker {
  readonly hello: Hello;
  readonly send: (message: CoordinatorMessage) => void;
  jobId: string;
}

/**
 * Starts the coordinator: the thin shell around the pure decisions of `placeJobs` and `transition`. Jobs of an earlier
 * incarnation that were queued are queued again; those that ran are failed, with the way to resume them.
 */
export async function startCoordinator({ store, openShards, inspectCheckpoint, log }: CoordinatorOptions): Promise<Coordinator> {
  const { incarnation } = store;
  const jobs = new Map<string, ActiveJob>();
  const workers = new Map<string, ConnectedWorker>();
  let isClosing = false;

  const activate = (job: Job, spec: JobSpec, startStep: number): ActiveJob => {
    const restoreFrom = spec.checkpoint.resumeFrom ?? '';
    const run = queuedRun({ id: job.id, specJson: job.specJson, virtualRanks: spec.resources.virtualRanks, restoreFrom, startStep });
    const books = openBookkeeper({ store, openShards, jobId: job.id, seed: spec.seed, onAcknowledged: () => undefined, log });
    const active: ActiveJob = { job, run, spec, listeners: new Set(), books, lastSavedMs: 0 };
    jobs.set(job.id, active);
    return active;
  };

  const publish = (active: ActiveJob, job: Job): void => {
    const isChanged = job.state !== active.job.state || job.checkpoints !== active.job.checkpoints || job.message !== active.job.message;
    active.job = job;
    for (const listener of active.listeners) listener(job);
    const nowMs = Date.now();
    if (isChanged || nowMs - active.lastSavedMs > SAVE_EVERY_MS) {
      active.lastSavedMs = nowMs;
      active.books.saveJob(job);
    }
  };

  const dispatch = (active: ActiveJob, event: RunEvent): void => {
    const before = active.run;
    const { run, effects } = transition(before, event, Date.now(), DEFAULT_RUN_TIMEOUTS);
    active.run = run;
    if (run.phase !== before.phase || run.message !== before.message) {
      log.info({ job: active.job.id, generation: run.generation, phase: run.phase, step: run.step, reason: run.message }, 'job changed');
    }
    for (const effect of effects) perform(active, effect);
    if (run !== before) publish(active, withRun(active.job, run, new Date().toISOString()));
    if (run.phase !== before.phase) place();
  };

  const perform = (active: ActiveJob, effect: RunEffect): void => {
    const { id } = active.job;
    switch (effect.type) {
      case 'send': {
        const worker = workers.get(effect.workerId);
        if (worker === undefined) break;
        if (effect.message.kind === 'view') worker.jobId = id;
        worker.send(effect.message);
        break;
      }
      case 'enqueueShards': {
        const schedule = jobSchedule(active.spec, active.run.common!.datasetLength);
        if (active.job.progress === null) {
          active.job = { ...active.job, progress: initialProgress(schedule, active.run.facts.startStep) };
          active.books.plan(schedule);
          active.books.openGeneration(active.run.generation, effect.step);
        }
        active.books.enqueueAround(effect.step);
        break;
      }
      case 'commitStep': {
        const { committed, members } = effect;
        const schedule = jobSchedule(active.spec, active.run.common!.datasetLength);
        active.job = { ...active.job, progress: advanceProgress(active.job.progress!, committed, schedule) };
        const { generation, step } = committed;
        const owners = members.flatMap(({ id, ranks }) => Array.from({ length: ranks }, () => id));
        const ranks = committed.ranks.map((share, rank) => ({ ...share, worker: owners[rank]! }));
        active.books.commit({ generation, step, ranks });
        break;
      }
      case 'addCheckpoint': {
        const { step, path, hash } = effect.checkpoint;
        log.info({ job: id, step, path, hash }, 'checkpoint written');
        publish(active, withCheckpoint(active.job, { step, path, hash }));
        break;
      }
      case 'ended': {
        for (const worker of workers.values()) if (worker.jobId === id) worker.jobId = '';
        active.books.removeShards();
        break;
      }
    }
  };

  /** Gives free workers to waiting jobs. */
  const place = (): void => {
    if (isClosing) return;
    const waiting = [...jobs.values()].filter(({ run }) => run.phase === 'queued');
    if (waiting.length === 0) return;
    const free = [...workers.values()].filter(({ jobId }) => jobId === '').map(({ hello }) => hello);
    const wanted = waiting.map(({ job, spec: { resources } }) => {
      const { minWorkers, maxWorkers = resources.virtualRanks, device } = resources;
      return { id: job.id, minWorkers, maxWorkers, device };
    });
    for (const { jobId, workers: chosen, reason } of placeJobs(wanted, free)) {
      const active = jobs.get(jobId)!;
      if (chosen.length > 0) dispatch(active, { type: 'placed', workers: chosen });
      else if (active.job.message !== reason) publish(active, { ...active.job, message: reason });
    }
  };

  const noteSkipped = (active: ActiveJob, worker: string, { step, images }: ImagesSkipped): void => {
    for (const { name, reason } of images) log.warn({ job: active.job.id, worker, step, image: name, reason }, 'image skipped');
    const { progress } = active.job;
    if (progress !== null)
      publish(active, { ...active.job, progress: { ...progress, skippedImages: progress.skippedImages + images.length } });
  };

  for (const { job } of await store.loadJobs()) {
    const spec = parseJobSpec(JSON.parse(job.specJson));
    const last = job.checkpoints.at(-1);
    const hint = last === undefined ? 'submit it again' : `resume it from ${last.path}`;
    const active = activate(job, spec, job.progress?.step ?? 0);
    if (isTerminal(job.state))
      active.run = {
        ...active.run,
        phase: 'ended',
        outcome: { state: job.state as 'failed', reason: '', message: job.message },
        message: job.message,
      };
    else if (job.state !== 'queued')
      dispatch(active, { type: 'fault', reason: 'CoordinatorRestarted', message: `the coordinator restarted while the job ran; ${hint}` });
  }
  const ticker = setInterval(() => {
    for (const active of jobs.values())
      if (active.run.phase !== 'ended' && active.run.phase !== 'queued') dispatch(active, { type: 'tick' });
  }, TICK_MS);

  const find = (id: string): ActiveJob => {
    const active = jobs.get(id);
    if (active === undefined) throw new MaestroError('not-found', `job ${id}: not found; \`maestro jobs\` lists all jobs`);
    return active;
  };

  return {
    incarnation,
    async submit(specJson, idempotencyKey) {
      if (isClosing) throw new MaestroError('unavailable', 'submit: the coordinator is shutting down');
      const spec = parseJobSpec(parseJson(specJson));
      const { resumeFrom } = spec.checkpoint;
      const startStep = resumeFrom === undefined ? 0 : (await inspectCheckpoint(resumeFrom)).step;
      const id = newJobId();
      if (idempotencyKey !== '') {
        const holder = await store.reserveKey(idempotencyKey, id);
        if (holder !== id) return find(holder).job;
      }
      const job = newJob({ id, spec, specJson: JSON.stringify(spec), now: new Date().toISOString() });
      await store.saveJob(job);
      log.info({ job: id, name: spec.name }, 'job submitted');
      const active = activate(job, spec, startStep);
      place();
      return active.job;
    },
    get: (id) => find(id).job,
    list: () => [...jobs.values()].map(({ job }) => job).reverse(),
    watch(id, listener) {
      const { job, listeners } = find(id);
      listeners.add(listener);
      listener(job);
      return () => void listeners.delete(listener);
    },
    cancel(id) {
      const active = find(id);
      dispatch(active, { type: 'cancel', reason: 'cancelled on request' });
      return active.job;
    },
    audit: (id) => auditJob(store, find(id).job),
    workers: () =>
      [...workers.values()].map(({ hello: { name, id, address, device, threads, pid, host }, jobId }) => ({
        name,
        id,
        address,
        device,
        threads,
        pid,
        host,
        jobId,
      })),
    attach(hello, send) {
      const twin = [...workers.values()].find(({ hello: { name } }) => name === hello.name);
      if (twin !== undefined) {
        throw new MaestroError(
          'conflict',
          `worker ${hello.name}: the name is taken by process ${twin.hello.pid} on ${twin.hello.host}; give each worker a name of its own`,
        );
      }
      const worker: ConnectedWorker = { hello, send, jobId: '' };
      workers.set(hello.id, worker);
      log.info(
        { worker: hello.name, address: hello.address, device: hello.device, threads: hello.threads, pid: hello.pid },
        'worker joined',
      );
      send({ kind: 'welcome', incarnation, heartbeatMs: HEARTBEAT_MS });
      place();
      return {
        receive(message) {
          const active = message.kind === 'hello' || message.jobId === '' ? undefined : jobs.get(message.jobId);
          const event = active === undefined ? undefined : toEvent(hello.id, message);
          if (active !== undefined && event !== undefined) dispatch(active, event);
          if (active !== undefined && message.kind === 'skipped') noteSkipped(active, hello.name, message);
          if (message.kind === 'left' && worker.jobId === message.jobId) {
            worker.jobId = '';
            place();
          }
        },
        closed(evidence) {
          workers.delete(hello.id);
          log.info({ worker: hello.name, reason: evidence }, 'worker gone');
          const active = jobs.get(worker.jobId);
          if (active !== undefined) dispatch(active, { type: 'workerLost', workerId: hello.id, evidence });
        },
      };
    },
    async close() {
      isClosing = true;
      const running = [...jobs.values()].filter(({ run }) => run.phase !== 'ended' && run.phase !== 'queued');
      await Promise.all(
        running.map(
          (active) =>
            new Promise<void>((resolve) => {
              active.listeners.add((job) => isTerminal(job.state) && resolve());
              dispatch(active, {
                type: 'fault',
                reason: 'CoordinatorStopped',
                message: 'the coordinator was shut down; resume the job from its last checkpoint',
              });
              if (isTerminal(active.job.state)) resolve();
            }),
        ),
      );
      clearInterval(ticker);
      await Promise.all(
        [...jobs.values()].map(async ({ books }) => {
          await books.drain(DRAIN_MS);
          await books.close();
        }),
      );
    },
  };
}

function toEvent(workerId: string, message: WorkerMessage): RunEvent | undefined {
  switch (message.kind) {
    case 'heartbeat':
      return { type: 'heartbeat', workerId, heartbeat: message };
    case 'formed':
      return { type: 'formed', workerId, formed: message };
    case 'committed':
      return { type: 'committed', workerId, committed: message };
    case 'checkpoint':
      return { type: 'checkpoint', checkpoint: message };
    case 'left':
      return { type: 'left', workerId, left: message };
    case 'hello':
    case 'skipped':
      return undefined;
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new MaestroError('invalid-argument', `job file: not JSON: ${errorMessage(error)}`, { cause: error });
  }
}
