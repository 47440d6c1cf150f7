import { hostname } from 'node:os';
import {
  type CoordinatorMessage,
  errorMessage,
  type FailureTimeouts,
  type Hello,
  isTerminal,
  type Job,
  type JobAudit,
  type JobSpec,
  knnOf,
  MaestroError,
  newJobId,
  type PathRoots,
  parseJobSpec,
  requireConfined,
  type WorkerInfo,
  type WorkerMessage,
} from '@maestro/protocol';
import type { Logger } from '@maestro/telemetry';
import { type ActiveJob, type ActiveJobOptions, openActiveJob } from './activeJob.ts';
import { auditJob } from './auditJob.ts';
import type { Bookkeeper } from './bookkeeper.ts';
import { readLedgerProgress } from './brokenImages.ts';
import { newJob, withWaiting } from './jobView.ts';
import type { CoordinatorEvents } from './metrics/observer.ts';
import { placeJobs } from './placement.ts';
import { placementInput } from './placementInput.ts';
import { type JobRun, queuedRun, type RestorePoint, type RunEvent } from './runState.ts';
import type { Store } from './store.ts';
import { withModelOf } from './withModelOf.ts';
import { workerEvent } from './workerEvent.ts';

const TICK_MS = 250;
const MOST_SPEC_CHARACTERS = 256 * 1024;
/** So long whoever decides about a job waits for it to be written down. */
const SETTLE_MS = 5000;
/** What a coordinator that ends waits for Redis to take in. */
const CLOSE_MS = 3000;

/** What a coordinator is made of. */
export interface CoordinatorOptions {
  readonly store: Store;
  readonly timeouts: FailureTimeouts;
  /** Folders that jobs may use. Default: any. */
  readonly roots?: PathRoots;
  /** Where jobs keep their checkpoints whose file does not say. Default: below the data folder. */
  readonly checkpoints?: string | undefined;
  /** Opens what writes a job's steps, records and queues. */
  readonly openBooks: (jobId: string, seed: number, onAcknowledged: (step: number) => void) => Bookkeeper;
  /** Reads the step of a checkpoint that a job starts from; throws when it cannot be used. */
  readonly inspectCheckpoint: (path: string) => Promise<{ readonly step: number }>;
  /** The job file that a checkpoint was trained with. */
  readonly readJobSpec: (path: string) => Promise<JobSpec>;
  /** The newest valid checkpoint that a job has written. */
  readonly findCheckpoint: (jobId: string, location: string | undefined) => ReturnType<ActiveJobOptions['findCheckpoint']>;
  /** Told of what happens. */
  readonly events: CoordinatorEvents;
  readonly log: Logger;
}

/** A worker's control stream, as the coordinator uses it. */
export interface WorkerSession {
  receive(message: WorkerMessage): void;
  /** The stream ended; `evidence` says how. */
  closed(evidence: string): void;
}

/** The way to a worker. */
export interface WorkerConnection {
  send(message: CoordinatorMessage): void;
  /** Ends the stream. */
  close(): void;
}

/** Everything the services ask of the coordinator. */
export interface Coordinator {
  readonly incarnation: number;
  /** Checks a job file as a submit does, and creates nothing. */
  check(specJson: string): Promise<JobSpec>;
  /** `isNew` is false when the key was used before: the job is then the one of that time. */
  submit(specJson: string, idempotencyKey: string): Promise<{ readonly job: Job; readonly isNew: boolean }>;
  get(id: string): Job;
  /** What the job file says. */
  spec(id: string): JobSpec;
  run(id: string): JobRun;
  /** Committed steps of a job that are not in the ledger yet. */
  unwrittenSteps(id: string): number;
  list(): Job[];
  /** Calls `listener` now and at every change until the job has ended; gives the way to stop. */
  watch(id: string, listener: (job: Job) => void): () => void;
  /** As `pause` and `resume`: resolves once it cannot be lost any more; rejects with `unavailable` when that takes long. */
  cancel(id: string): Promise<Job>;
  /** Holds the job at a step boundary, with a checkpoint, and frees its workers. */
  pause(id: string): Promise<Job>;
  resume(id: string): Promise<Job>;
  /** There is a picture of what the checkpoint of this step makes of masked images: whoever watches the job is told. */
  noteReconstruction(id: string, step: number): void;
  /** Compares the job's ledger with its permutations. */
  audit(id: string): Promise<JobAudit>;
  workers(): WorkerInfo[];
  /** Takes a worker out of its job at a step boundary, and gives it no other until it is started again. */
  drainWorker(name: string): WorkerInfo;
  attach(hello: Hello, connection: WorkerConnection): WorkerSession;
  /** Writes down what is not in Redis yet. Jobs go on: workers need no coordinator for a while, and the next one finds them. */
  close(): Promise<void>;
}

interface ConnectedWorker {
  readonly hello: Hello;
  readonly connection: WorkerConnection;
  jobId: string;
  isDrained: boolean;
}

/**
 * Starts the coordinator: the thin shell around the pure decisions of `placeJobs` and `transition`. Jobs of an earlier incarnation go on
 * where they are: workers that are still at work come back and say so.
 */
export async function startCoordinator(options: CoordinatorOptions): Promise<Coordinator> {
  const { store, timeouts, openBooks, inspectCheckpoint, readJobSpec, findCheckpoint, events, log } = options;
  const jobs = new Map<string, ActiveJob>();
  const workers = new Map<string, ConnectedWorker>();
  let isClosing = false;
  /** Submits under way, by job id. */
  const submitting = new Map<string, Promise<Job>>();
  let versions = 0;
  /** Ids of one coordinator rise even within a millisecond. */
  let lastIdMs = 0;
  const startedMs = Date.now();

  const forget = (workerId: string): void => {
    workers.delete(workerId);
    events.gone(workerId);
  };

  const activate = (job: Job, spec: JobSpec, run: JobRun): ActiveJob => {
    const active = openActiveJob({
      job,
      spec,
      run,
      timeouts,
      openBooks: (onAcknowledged) => openBooks(job.id, spec.seed, onAcknowledged),
      findCheckpoint: () => findCheckpoint(job.id, spec.checkpoint.location),
      perform(effect) {
        const worker = workers.get(effect.workerId);
        if (worker === undefined) return;
        if (effect.type === 'send') return worker.connection.send(effect.message);
        log.warn({ worker: worker.hello.name, reason: effect.reason }, 'worker lost');
        forget(effect.workerId);
        worker.connection.close();
      },
      newVersion: () => `${store.incarnation}-${++versions}`,
      onMoved: () => setImmediate(place),
      events,
      log,
    });
    jobs.set(job.id, active);
    return active;
  };

  /** Gives workers to jobs that wait, if need be from jobs that have to make way, then to those that can grow. */
  const place = (): void => {
    if (isClosing) return;
    const runs = [...jobs.values()].map(({ run }) => run);
    const situation = { runs, workers: [...workers.values()], nowMs: Date.now(), silenceMs: timeouts.silenceMs, startedMs };
    for (const placement of placeJobs(placementInput(situation))) {
      const { jobId, reason } = placement;
      const active = jobs.get(jobId)!;
      switch (placement.type) {
        case 'assign':
          for (const { id } of placement.workers) workers.get(id)!.jobId = jobId;
          active.dispatch({ type: 'assigned', workers: placement.workers });
          break;
        case 'shrink':
          for (const { id } of placement.workers) active.dispatch({ type: 'drain', workerId: id, reason });
          break;
        case 'preempt':
          active.dispatch({ type: 'preempt', reason });
          break;
        case 'wait':
          active.amend((job) => withWaiting(job, active.run, reason));
      }
    }
  };

  const startPointOf = async (spec: JobSpec): Promise<RestorePoint> => {
    const { resumeFrom } = spec.checkpoint;
    if (resumeFrom === undefined) return { path: '', step: 0 };
    const { step } = await inspectCheckpoint(resumeFrom);
    // What measures a checkpoint begins at the first sample, however long it was trained.
    return { path: resumeFrom, step: knnOf(spec) === undefined ? step : 0 };
  };

  const find = (id: string): ActiveJob => {
    const active = jobs.get(id);
    if (active === undefined) throw new MaestroError('not-found', `job ${id}: not found; \`maestro jobs\` lists all jobs`);
    return active;
  };

  const decide = async (active: ActiveJob, event: RunEvent): Promise<Job> => {
    active.dispatch(event);
    await active.settled(SETTLE_MS);
    return active.job;
  };

  for (const { job, run: stored } of await store.loadJobs()) {
    const spec = parseJobSpec(parseJson(job.specJson));
    const kept = stored as JobRun | undefined;
    // Its job file, as an older version may have written it, lacks what has a default by now.
    const run =
      kept === undefined
        ? queuedRun({ id: job.id, spec, startPoint: await startPointOf(spec) }, 0, Date.parse(job.createdAt))
        : withSpec(kept, spec);
    const isOver = isTerminal(job.state);
    const active = activate(withDefaults(job), spec, isOver ? { ...run, phase: 'ended', message: job.message } : run);
    if (!isOver) log.info({ job: job.id, phase: run.phase, generation: run.generation, step: run.step }, 'job found');
    if (!isOver) active.dispatch({ type: 'recovered', incarnation: store.incarnation, ledger: await readLedgerProgress(store, run) });
  }
  const ticker = setInterval(
    () => {
      for (const active of jobs.values()) active.tick();
      place();
    },
    Math.min(TICK_MS, timeouts.heartbeatMs),
  );

  const infoOf = ({ hello, jobId, isDrained }: ConnectedWorker): WorkerInfo => {
    const { name, id, address, device, threads, pid, host } = hello;
    return { name, id, address, device, threads, pid, host, jobId, isDrained };
  };

  /** A worker that shows up under a name that is in use is refused, unless the process that had it is known to be gone. */
  const requireName = ({ name, id, host }: Hello): void => {
    for (const twin of [...workers.values()]) {
      if (twin.hello.name !== name) continue;
      const isSame = twin.hello.id === id;
      const isGone = twin.hello.host === host && host === hostname() && !isAlive(twin.hello.pid);
      if (!isSame && !isGone) {
        throw new MaestroError(
          'conflict',
          `worker ${name}: the name is taken by process ${twin.hello.pid} on ${twin.hello.host}; give each worker a name of its own`,
        );
      }
      forget(twin.hello.id);
      twin.connection.close();
    }
    for (const { run, dispatch } of jobs.values()) {
      for (const shadow of run.workers) {
        if (shadow.name !== name || shadow.id === id) continue;
        dispatch({ type: 'disconnected', workerId: shadow.id, evidence: 'it was started again', isDead: true });
      }
    }
  };

  const readSpec = async (specJson: string): Promise<JobSpec> => {
    if (specJson.length > MOST_SPEC_CHARACTERS)
      throw new MaestroError('too-large', `job file: ${specJson.length} characters, at most ${MOST_SPEC_CHARACTERS}`);
    const file = parseJson(specJson);
    const parsed = parseJobSpec(file);
    // Written into the job's file, so that its workers, and a coordinator with another setting, find them there.
    const { location = options.checkpoints } = parsed.checkpoint;
    const isPlaced = location !== undefined && knnOf(parsed) === undefined;
    const spec = isPlaced ? { ...parsed, checkpoint: { ...parsed.checkpoint, location } } : parsed;
    await requireConfined(spec, options.roots);
    const measured = knnOf(spec);
    return measured === undefined ? spec : withModelOf(spec, await readJobSpec(measured.checkpoint), file);
  };

  return {
    get incarnation() {
      return store.incarnation;
    },
    async check(specJson) {
      const spec = await readSpec(specJson);
      await startPointOf(spec);
      return spec;
    },
    async submit(specJson, idempotencyKey) {
      if (isClosing) throw new MaestroError('unavailable', 'submit: the coordinator is shutting down');
      const spec = await readSpec(specJson);
      const startPoint = await startPointOf(spec);
      // A key whose first submit was cut off before it left a job is taken up with the id that it got then.
      lastIdMs = Math.max(Date.now(), lastIdMs + 1);
      const own = newJobId({ nowMs: lastIdMs });
      const id = idempotencyKey === '' ? own : await store.reserveKey(idempotencyKey, own);
      // No turn of the event loop lies between this look and the entry below, or two requests would both create the job.
      const underWay = submitting.get(id);
      const earlier = jobs.get(id)?.job ?? (underWay === undefined ? undefined : await underWay);
      if (earlier !== undefined) {
        requireSameFile(earlier, spec, idempotencyKey);
        return { job: jobs.get(id)?.job ?? earlier, isNew: false };
      }
      const job = newJob({ id, spec, specJson: JSON.stringify(spec), now: new Date().toISOString() });
      const create = async (): Promise<Job> => {
        await store.saveJob(job);
        log.info({ job: id, name: spec.name }, 'job submitted');
        activate(job, spec, queuedRun({ id, spec, startPoint }, store.incarnation, Date.parse(job.createdAt)));
        place();
        return jobs.get(id)!.job;
      };
      const created = create().finally(() => submitting.delete(id));
      submitting.set(id, created);
      return { job: await created, isNew: true };
    },
    get: (id) => find(id).job,
    spec: (id) => find(id).spec,
    run: (id) => find(id).run,
    unwrittenSteps: (id) => find(id).unwrittenSteps,
    list: () => [...jobs.values()].map(({ job }) => job).reverse(),
    watch(id, listener) {
      const { job, listeners } = find(id);
      listeners.add(listener);
      listener(job);
      return () => void listeners.delete(listener);
    },
    cancel: (id) => decide(find(id), { type: 'cancel', reason: 'cancelled on request' }),
    pause: (id) => decide(find(id), { type: 'pause', reason: 'paused on request; `maestro resume` goes on' }),
    async resume(id) {
      const active = find(id);
      if (active.run.phase !== 'paused') {
        throw new MaestroError('conflict', `job ${id} is ${active.job.state}: only a paused job can be resumed`);
      }
      return decide(active, { type: 'resume' });
    },
    noteReconstruction: (id, step) => find(id).amend((job) => ({ ...job, reconstructedStep: Math.max(step, job.reconstructedStep ?? 0) })),
    audit: (id) => auditJob(store, find(id).job),
    workers: () => [...workers.values()].map(infoOf),
    drainWorker(name) {
      const worker = [...workers.values()].find(({ hello }) => hello.name === name);
      if (worker === undefined) throw new MaestroError('not-found', `worker ${name}: not connected; \`maestro workers\` lists all`);
      worker.isDrained = true;
      const { jobId, hello } = worker;
      jobs.get(jobId)?.dispatch({ type: 'drain', workerId: hello.id, reason: 'it is drained on request' });
      return infoOf(worker);
    },
    attach(hello, connection) {
      if (hello.incarnation > store.incarnation) {
        // Redis has forgotten a start, or a later coordinator is at work; in that case this one cannot take a number.
        void store.raiseIncarnation(hello.incarnation).catch((error: unknown) => log.error({ error }, 'no new incarnation'));
        throw new MaestroError(
          'unavailable',
          `worker ${hello.name} has seen incarnation ${hello.incarnation}; this is ${store.incarnation}`,
        );
      }
      requireName(hello);
      const worker: ConnectedWorker = { hello, connection, jobId: hello.standing?.jobId ?? '', isDrained: false };
      workers.set(hello.id, worker);
      const { name, id, address, device, threads, pid, standing } = hello;
      log.info({ worker: name, address, device, threads, pid, job: worker.jobId, generation: standing?.generation }, 'worker joined');
      connection.send({
        kind: 'welcome',
        incarnation: store.incarnation,
        heartbeatMs: timeouts.heartbeatMs,
        failureTimeoutMs: timeouts.silenceMs,
      });
      // Jobs that believe to have it are told when it does not work for them any more.
      for (const active of jobs.values()) {
        if (active.job.id === worker.jobId || !active.run.workers.some((member) => member.id === id)) continue;
        const left = { jobId: active.job.id, generation: 0, step: -1, outcome: 'released', errorCode: '', errorMessage: '' } as const;
        active.dispatch({ type: 'left', workerId: id, left });
      }
      if (standing !== null) {
        const active = jobs.get(standing.jobId);
        if (active !== undefined && active.run.phase !== 'ended') active.dispatch({ type: 'standing', worker: hello, standing });
        else connection.send({ kind: 'release', jobId: standing.jobId, writeCheckpoint: false, reason: 'the job is over or unknown' });
      }
      place();
      return {
        receive(message) {
          if (workers.get(id) !== worker || message.kind === 'hello') return;
          events.message(hello, message);
          // A worker that is told to end gets nothing more to do.
          if (message.kind === 'drain') worker.isDrained = true;
          const active = message.jobId === '' ? undefined : jobs.get(message.jobId);
          const event = active === undefined ? undefined : workerEvent(hello, message);
          if (active !== undefined && event !== undefined) active.dispatch(event);
          if (message.kind === 'skipped') active?.noteSkipped(name, message);
          if (message.kind === 'left' && worker.jobId === message.jobId) {
            worker.jobId = '';
            place();
          }
        },
        closed(evidence) {
          if (workers.get(id) !== worker) return;
          forget(id);
          log.info({ worker: name, reason: evidence }, 'worker gone');
          jobs.get(worker.jobId)?.dispatch({ type: 'disconnected', workerId: id, evidence });
        },
      };
    },
    async close() {
      isClosing = true;
      clearInterval(ticker);
      await Promise.all([...jobs.values()].map((active) => active.close(CLOSE_MS)));
    },
  };
}

function requireSameFile({ id, specJson }: Job, spec: JobSpec, key: string): void {
  if (specJson === JSON.stringify(spec)) return;
  throw new MaestroError('conflict', `submit: the idempotency key ${key} was used for ${id}, whose job file is another; take a new key`);
}

/** A record that an older version wrote lacks what came later. */
function withDefaults(job: Job): Job {
  return { ...job, resourceVersion: job.resourceVersion ?? '0-0' };
}

function withSpec(run: JobRun, spec: JobSpec): JobRun {
  return { ...run, queuedMs: run.queuedMs ?? Date.now(), waitedMs: run.waitedMs ?? 0, facts: { ...run.facts, spec } };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new MaestroError('invalid-argument', `job file: not JSON: ${errorMessage(error)}`, { cause: error });
  }
}
