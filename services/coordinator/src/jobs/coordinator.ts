import { createHash } from 'node:crypto';
import { hostname } from 'node:os';
import { stepFolder } from '@maestro/checkpoint';
import {
  type FailureTimeouts,
  type Hello,
  isTerminal,
  type Job,
  type JobAudit,
  type JobCheck,
  type JobSpec,
  MaestroError,
  type Standing,
  type WorkerInfo,
  type WorkerMessage,
} from '@maestro/protocol';
import type { Logger } from '@maestro/telemetry';
import { auditJob } from '../audit/auditJob.ts';
import type { Bookkeeper } from '../books/bookkeeper.ts';
import type { JobRecords } from '../books/jobRecords.ts';
import { keepLedger, rewriteRecords } from '../books/keepRecords.ts';
import { parseLedger } from '../books/ledger.ts';
import type { Store } from '../books/store.ts';
import type { CoordinatorEvents } from '../metrics/observer.ts';
import { createPlacer } from '../placement/placer.ts';
import { type ActiveJob, type ActiveJobOptions, openActiveJob } from '../run/activeJob.ts';
import { type JobRun, queuedRun, type RunEvent, type RunWorker } from '../run/state/runState.ts';
import { createDistrust } from '../workers/distrust.ts';
import { judgeStanding, whyUnbelievable } from '../workers/judgeMessage.ts';
import { workerEvent } from '../workers/workerEvent.ts';
import { type ConnectedWorker, createWorkerRegistry, type WorkerConnection, workerInfo } from '../workers/workerRegistry.ts';
import { type AdmissionOptions, createAdmission } from './admission.ts';
import { checkJob, type JobSituation, requireFeasible } from './checkJob.ts';
import { findJob } from './findJob.ts';
import { newJob } from './jobView.ts';
import { restoreJob, restoreJobs } from './restoreJobs.ts';
import { createRetiredJobs, DEFAULT_KEEP_JOBS } from './retiredJobs.ts';
import { createSubmissions, type Submission } from './submissions.ts';

const TICK_MS = 250;
/** More starts of coordinators than Redis can have forgotten. */
const MOST_FORGOTTEN_STARTS = 1000;
/** So long whoever decides about a job waits for it to be persisted. */
const SETTLE_MS = 5000;
/** What a coordinator that ends waits for Redis to take in. */
const CLOSE_MS = 3000;
/** What a coordinator is made of. */
export interface CoordinatorOptions extends AdmissionOptions {
  readonly store: Store;
  readonly timeouts: FailureTimeouts;
  /** Opens what writes a job's steps, records and queues. */
  readonly openBooks: (jobId: string, seed: number, onAcknowledged: (step: number) => void) => Bookkeeper;
  /** Jobs on disk, beside Redis. */
  readonly records: JobRecords;
  /** Why accepted jobs may be lost; undefined while they cannot be. */
  readonly risk?: () => string | undefined;
  /** So many jobs that have ended are kept at hand; default {@link DEFAULT_KEEP_JOBS}. */
  readonly keepJobs?: number;
  /** The newest valid checkpoint that a job has written. */
  readonly findCheckpoint: (jobId: string, spec: JobSpec) => ReturnType<ActiveJobOptions['findCheckpoint']>;
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

/** Everything the services ask of the coordinator. */
export interface Coordinator {
  readonly incarnation: number;
  /** Checks a job file as a submit does, creates nothing, and tells what follows from it. */
  check(specJson: string): Promise<JobCheck>;
  submit(specJson: string, idempotencyKey: string): Promise<Submission>;
  /** A job by its id, a prefix that no other has, its name, or `@last`: see {@link findJob}. So with all methods that take an id. */
  get(id: string): Job;
  /** The id of the job that is meant. One that is retired is read from disk, and is there for all methods that take an id for a while. */
  locate(reference: string): Promise<string>;
  /** What the job file says. */
  spec(id: string): JobSpec;
  run(id: string): JobRun;
  /** Committed steps of a job that are not in the ledger yet. */
  unwrittenSteps(id: string): number;
  /** Newest first, without those that are retired. */
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

/**
 * Starts the coordinator: the thin shell around the pure decisions of `placeJobs` and `transition`. Jobs of an earlier incarnation go on
 * where they are: workers that are still at work come back and say so.
 */
export async function startCoordinator(options: CoordinatorOptions): Promise<Coordinator> {
  const {
    store,
    records,
    timeouts,
    openBooks,
    risk = () => undefined,
    keepJobs = DEFAULT_KEEP_JOBS,
    findCheckpoint,
    events,
    log,
  } = options;
  const admission = createAdmission(options);
  const jobs = new Map<string, ActiveJob>();
  const distrust = createDistrust(log);
  const workers = createWorkerRegistry({
    onGone(id) {
      distrust.forget(id);
      events.gone(id);
    },
  });
  let isClosing = false;
  let versions = 0;
  let toldRisk: string | undefined;
  const placer = createPlacer({ jobs, workers, timeouts });

  const open = ({ job, spec, run }: { readonly job: Job; readonly spec: JobSpec; readonly run: JobRun }): ActiveJob =>
    openActiveJob({
      job,
      spec,
      run,
      timeouts,
      openBooks: (onAcknowledged) => openBooks(job.id, spec.seed, onAcknowledged),
      async onSettled() {
        await keepLedger({ store, records, log }, job.id);
        await retired.ended(job.id);
      },
      findCheckpoint: () => findCheckpoint(job.id, spec),
      perform(effect) {
        const worker = workers.get(effect.workerId);
        if (worker === undefined) return;
        if (effect.type === 'send') return worker.connection.send(effect.message);
        log.warn({ worker: worker.hello.name, reason: effect.reason }, 'worker lost');
        workers.forget(effect.workerId);
        worker.connection.close();
      },
      newVersion: () => `${store.incarnation}-${++versions}`,
      onMoved: placer.placeSoon,
      events: {
        ...events,
        moved(before, after) {
          events.moved(before, after);
          placer.follow(before, after);
        },
      },
      log,
    });
  const retired = createRetiredJobs({ jobs, store, records, keepJobs, restore: (job, run) => restoreJob(job, run, admission), open, log });
  const known = (id: string): ActiveJob | undefined => jobs.get(id) ?? retired.get(id);
  const submissions = createSubmissions({ store, find: (id) => known(id)?.job, recall: retired.recall });
  const activate = (job: Job, spec: JobSpec, run: JobRun): ActiveJob => {
    const active = open({ job, spec, run });
    jobs.set(job.id, active);
    return active;
  };

  const find = (reference: string): ActiveJob =>
    known(reference) ??
    jobs.get(
      findJob(
        reference,
        [...jobs.values()].map(({ job }) => job),
      ),
    )!;

  /** What a job file is judged by. */
  const atHand = (): JobSituation => ({ workers: workers.all().map(workerInfo), jobs: [...jobs.values()], host: hostname() });

  const decide = async (active: ActiveJob, event: RunEvent): Promise<Job> => {
    active.dispatch(event);
    await active.settled(SETTLE_MS);
    return active.job;
  };

  const restored = await restoreJobs({ store, records, admission, log });
  for (const { job, spec, run, ledger, fault } of restored) {
    const active = activate(job, spec, run);
    if (run.phase === 'ended') continue;
    if (run.phase !== 'queued') log.info({ job: job.id, phase: run.phase, generation: run.generation, step: run.step }, 'job found');
    active.dispatch({ type: 'recovered', incarnation: store.incarnation, ledger });
    if (fault !== undefined) active.dispatch({ type: 'fault', reason: 'CheckpointInvalid', message: fault });
  }
  const queued = restored.filter(({ run }) => run.phase === 'queued').length;
  if (restored.length > 0) log.info({ jobs: restored.length, queued }, 'jobs found');
  const inOrderOfEnd = restored.filter(({ run }) => run.phase === 'ended').sort((a, b) => (a.job.endedAt < b.job.endedAt ? -1 : 1));
  // Beside the start: after an upgrade there may be many.
  for (const { job } of inOrderOfEnd) void retired.ended(job.id);
  const ticker = setInterval(
    () => {
      const risks = [risk(), records.problem()].filter((why) => why !== undefined);
      const why = risks.length === 0 ? undefined : risks.join('; ');
      // A job without a bookkeeper has ended or has not begun: it has nothing to do but to be told of a risk.
      for (const active of jobs.values()) if (active.isBooked || why !== toldRisk) active.tick(why);
      toldRisk = why;
      placer.tick();
    },
    Math.min(TICK_MS, timeouts.heartbeatMs),
  );

  const stopWatching = store.onForgotten(() => {
    rewriteRecords({ store, records, log }, jobs).catch((error: unknown) => log.warn({ error }, 'records could not be written again'));
  });

  /** Workers that jobs have by this name, whether or not they are connected. */
  const previousOf = (name: string): RunWorker[] =>
    [...jobs.values()].flatMap(({ run }) => run.workers.filter((each) => each.name === name));

  /** A worker that was started again: what its earlier process had of a job is lost. */
  const replaceShadows = ({ name, id }: Hello): void => {
    for (const { run, dispatch } of jobs.values()) {
      for (const previous of run.workers) {
        if (previous.name !== name || previous.id === id) continue;
        dispatch({ type: 'disconnected', workerId: previous.id, evidence: 'it was started again', isDead: true });
      }
    }
  };

  const takeStanding = (active: ActiveJob, hello: Hello, told: Standing): void => {
    const { standing, problem } = judgeStanding(active.run, hello.id, told, { nowMs: Date.now(), timeouts });
    if (problem !== undefined) distrust.tell(hello, { kind: 'standing' }, problem);
    if (standing !== undefined) return active.dispatch({ type: 'standing', worker: hello, standing });
    const { connection } = workers.get(hello.id)!;
    connection.send({ kind: 'release', jobId: told.jobId, writeCheckpoint: false, reason: problem ?? 'the job is not its own' });
  };

  /** Of jobs that are retired. */
  const keptLedgers = { loadLedger: async (id: string) => parseLedger((await records.loadLedger(id)) ?? {}), ledgerBytes: async () => 0 };

  return {
    get incarnation() {
      return store.incarnation;
    },
    async check(specJson) {
      const spec = await admission.read(specJson);
      const { step } = await admission.startPoint(spec);
      return checkJob(spec, { ...atHand(), startStep: step });
    },
    async submit(specJson, idempotencyKey) {
      if (isClosing) throw new MaestroError('unavailable', 'submit: the coordinator is shutting down');
      const spec = await admission.read(specJson);
      const startPoint = await admission.startPoint(spec);
      const create = async (id: string): Promise<Job> => {
        // Here, so that a key that was used before still gives its job when the data has gone since.
        const warnings = await requireFeasible(spec, { ...atHand(), startStep: startPoint.step });
        const job = newJob({ id, spec, specJson: JSON.stringify(spec), warnings, now: new Date().toISOString() });
        await store.saveJob(job);
        await records.add({ job, ...(idempotencyKey !== '' && { key: idempotencyKey }) });
        log.info({ job: id, name: spec.name }, 'job submitted');
        activate(job, spec, queuedRun({ id, spec, startPoint }, store.incarnation, Date.parse(job.createdAt)));
        if (toldRisk !== undefined) jobs.get(id)!.tick(toldRisk);
        placer.placeNew();
        return jobs.get(id)!.job;
      };
      return submissions.submit({ spec, idempotencyKey, create });
    },
    get: (id) => find(id).job,
    async locate(reference) {
      const { job } = known(reference) ?? (await retired.recall(reference)) ?? find(reference);
      return job.id;
    },
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
    async pause(id) {
      const active = find(id);
      const { id: jobId, state } = active.job;
      if (isTerminal(state)) throw new MaestroError('conflict', `job ${jobId} is ${state}: a finished job cannot be paused`);
      return decide(active, { type: 'pause', reason: 'paused on request; `maestro resume` goes on' });
    },
    async resume(id) {
      const active = find(id);
      if (active.run.phase !== 'paused') {
        throw new MaestroError('conflict', `job ${active.job.id} is ${active.job.state}: only a paused job can be resumed`);
      }
      return decide(active, { type: 'resume' });
    },
    noteReconstruction: (id, step) =>
      jobs.get(id)?.amend((job) => ({ ...job, reconstructedStep: Math.max(step, job.reconstructedStep ?? 0) })),
    audit(id) {
      const active = find(id);
      return auditJob(jobs.has(active.job.id) ? store : keptLedgers, active);
    },
    workers: () => workers.all().map(workerInfo),
    drainWorker(name) {
      const worker = workers.named(name);
      worker.isDrained = true;
      const { jobId, hello } = worker;
      jobs.get(jobId)?.dispatch({ type: 'drain', workerId: hello.id, reason: 'it is drained on request' });
      return workerInfo(worker);
    },
    attach({ sessionKey, ...told }, connection) {
      // What is kept of the key, also in Redis, shows it to nobody.
      const hello: Hello = { ...told, sessionKey: createHash('sha256').update(sessionKey).digest('hex') };
      if (hello.incarnation > store.incarnation) {
        if (hello.incarnation > store.incarnation + MOST_FORGOTTEN_STARTS) {
          throw new MaestroError(
            'protocol-violation',
            `worker ${hello.name} reports incarnation ${hello.incarnation}, which is impossible: the current one is ${store.incarnation}`,
          );
        }
        // Redis has forgotten a start, or a later coordinator is at work; in that case this one cannot take a number.
        void store.raiseIncarnation(hello.incarnation).catch((error: unknown) => log.error({ error }, 'no new incarnation'));
        throw new MaestroError(
          'unavailable',
          `worker ${hello.name} has seen incarnation ${hello.incarnation}; this is ${store.incarnation}`,
        );
      }
      workers.requireName(hello, previousOf(hello.name));
      replaceShadows(hello);
      const worker: ConnectedWorker = { hello, connection, jobId: hello.standing?.jobId ?? '', isDrained: false };
      workers.add(worker);
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
        if (active !== undefined && active.run.phase !== 'ended') takeStanding(active, hello, standing);
        else connection.send({ kind: 'release', jobId: standing.jobId, writeCheckpoint: false, reason: 'the job is over or unknown' });
      }
      placer.placeSoon();
      return {
        receive(message) {
          if (!workers.has(worker) || message.kind === 'hello') return;
          // A worker that is told to end gets nothing more to do.
          if (message.kind === 'drain') worker.isDrained = true;
          const active = message.jobId === '' ? undefined : jobs.get(message.jobId);
          const problem =
            active === undefined
              ? undefined
              : (whyUnbelievable(active.run, id, message, { nowMs: Date.now(), timeouts }) ?? whyElsewhere(message));
          if (active === undefined || problem === undefined) events.message(hello, message);
          if (problem !== undefined) distrust.tell(hello, message, problem);
          else if (active !== undefined && message.kind === 'standing') takeStanding(active, hello, message);
          else if (active !== undefined) {
            const event = workerEvent(hello, message);
            if (event !== undefined) active.dispatch(event);
            if (message.kind === 'skipped') active.noteSkipped(name, message);
          }
          if (message.kind === 'left' && worker.jobId === message.jobId) {
            worker.jobId = '';
            placer.placeSoon();
          }
        },
        closed(evidence) {
          if (!workers.has(worker)) return;
          workers.forget(id);
          log.info({ worker: name, reason: evidence }, 'worker gone');
          jobs.get(worker.jobId)?.dispatch({ type: 'disconnected', workerId: id, evidence });
        },
      };
    },
    async close() {
      isClosing = true;
      placer.close();
      retired.close();
      clearInterval(ticker);
      stopWatching();
      await Promise.all([...jobs.values()].map((active) => active.close(CLOSE_MS)));
    },
  };
}

/** Why a checkpoint cannot be where a worker says: in a folder of its step and job. What is there will be read. */
function whyElsewhere(message: WorkerMessage): string | undefined {
  if (message.kind !== 'checkpoint') return undefined;
  const [step, ...above] = message.path.split(/[/\\]/).reverse();
  const isThere = step === stepFolder(message.step) && above.includes(message.jobId) && !above.includes('..');
  return isThere ? undefined : `there is no checkpoint of the job at ${message.path}`;
}
