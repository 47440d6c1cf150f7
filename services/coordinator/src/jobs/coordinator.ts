import { createHash } from 'node:crypto';
import { hostname } from 'node:os';
import {
  type FailureTimeouts,
  type Hello,
  isTerminal,
  type Job,
  type JobAudit,
  type JobCheck,
  type JobSpec,
  MaestroError,
  type WorkerInfo,
} from '@maestro/protocol';
import type { Logger } from '@maestro/telemetry';
import { auditJob } from '../audit/auditJob.ts';
import type { Bookkeeper } from '../books/bookkeeper.ts';
import type { JobRecords } from '../books/jobRecords.ts';
import { keepLedger, rewriteRecords } from '../books/keepRecords.ts';
import { parseLedger } from '../books/ledger.ts';
import type { Store } from '../books/store.ts';
import type { CoordinatorEvents } from '../metrics/observer.ts';
import type { ActiveJob, FoundCheckpoint } from '../run/activeJob.ts';
import { systemClock } from '../run/clock.ts';
import { type JobRun, queuedRun, type RunEvent } from '../run/state/runState.ts';
import { type WorkerConnection, workerInfo } from '../workers/workerRegistry.ts';
import { type AdmissionOptions, createAdmission } from './admission.ts';
import { checkJob, type JobSituation, requireFeasible } from './checkJob.ts';
import { findJob } from './findJob.ts';
import { openJobBoard, type WorkerSession } from './jobBoard.ts';
import { newJob } from './jobView.ts';
import { heldJobs, restoreJob, restoreJobs } from './restoreJobs.ts';
import { createRetiredJobs, DEFAULT_KEEP_JOBS } from './retiredJobs.ts';
import { createSubmissions, type Submission } from './submissions.ts';

const TICK_MS = 250;
/** Deadline for a decision about a job to be persisted. */
const SETTLE_MS = 5000;
/** Time that a stopping coordinator waits for pending writes to Redis. */
const CLOSE_MS = 3000;
/** Options of {@link startCoordinator}. */
export interface CoordinatorOptions extends AdmissionOptions {
  readonly store: Store;
  readonly timeouts: FailureTimeouts;
  /** Opens the bookkeeper that writes a job's steps, records and queues. */
  readonly openBooks: (jobId: string, seed: number, onAcknowledged: (step: number) => void) => Bookkeeper;
  /** Job records on disk, in addition to Redis. */
  readonly records: JobRecords;
  /** Returns why accepted jobs may be lost; undefined while they cannot be. */
  readonly risk?: () => string | undefined;
  /** Number of ended jobs kept in memory; default {@link DEFAULT_KEEP_JOBS}. */
  readonly keepJobs?: number;
  /** Finds the newest valid checkpoint that a job has written. */
  readonly findCheckpoint: (jobId: string, spec: JobSpec) => Promise<FoundCheckpoint>;
  /** Receives events. */
  readonly events: CoordinatorEvents;
  readonly log: Logger;
}

/** Operations that the services call on the coordinator. */
export interface Coordinator {
  readonly incarnation: number;
  /** Validates a job file like a submit, creates nothing, and returns the plan that follows from it. */
  check(specJson: string): Promise<JobCheck>;
  submit(specJson: string, idempotencyKey: string): Promise<Submission>;
  /**
   * Returns a job by its id, a unique prefix of it, its name, or `@last`: see {@link findJob}. The same holds for all methods that take an
   * id.
   */
  get(id: string): Job;
  /**
   * Resolves a reference to a job's id. A retired job is read from disk, and is then available to all methods that take an id for a while.
   */
  locate(reference: string): Promise<string>;
  /** Returns the job file. */
  spec(id: string): JobSpec;
  run(id: string): JobRun;
  /** Returns the number of committed steps of a job that are not in the ledger yet. */
  unwrittenSteps(id: string): number;
  /** Lists jobs, newest first, without retired ones. */
  list(): Job[];
  /** Calls `listener` now and at every change until the job has ended; returns a function that stops it. */
  watch(id: string, listener: (job: Job) => void): () => void;
  /** Like `pause` and `resume`: resolves once the decision is persisted; rejects with `unavailable` when that takes long. */
  cancel(id: string): Promise<Job>;
  /** Pauses the job at a step boundary, with a checkpoint, and frees its workers. */
  pause(id: string): Promise<Job>;
  resume(id: string): Promise<Job>;
  /** Notes that a picture of this step's reconstructions exists, and notifies the job's watchers. */
  noteReconstruction(id: string, step: number): void;
  /** Audits the job's ledger against its permutations. */
  audit(id: string): Promise<JobAudit>;
  workers(): WorkerInfo[];
  /** Takes a worker out of its job at a step boundary, and gives it no other until it is restarted. */
  drainWorker(name: string): WorkerInfo;
  attach(hello: Hello, connection: WorkerConnection): WorkerSession;
  /** A sentence about jobs that wait for a coordinator that is set up otherwise; undefined when there are none. */
  readonly notice: string | undefined;
  /** Writes what is not in Redis yet. Jobs continue: workers need no coordinator for a while, and the next one finds them. */
  close(): Promise<void>;
}

/**
 * Starts the coordinator: the thin shell around the pure decisions of `placeJobs` and `transition`. Jobs of an earlier incarnation
 * continue: workers still at work reconnect and report.
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
  const board = openJobBoard({
    clock: systemClock,
    timeouts,
    incarnation: {
      get current() {
        return store.incarnation;
      },
      raise(seen) {
        void store.raiseIncarnation(seen).catch((error: unknown) => log.error({ error }, 'no new incarnation'));
      },
    },
    openBooks,
    async onSettled(id) {
      await keepLedger({ store, records, log }, id);
      await retired.ended(id);
    },
    findCheckpoint: (id, spec, { found, failed }) => void findCheckpoint(id, spec).then(found).catch(failed),
    events,
    log,
  });
  const { jobs, workers, placer } = board;
  let isClosing = false;
  const { open } = board;
  const retired = createRetiredJobs({ jobs, store, records, keepJobs, restore: (job, run) => restoreJob(job, run, admission), open, log });
  const known = (id: string): ActiveJob | undefined => jobs.get(id) ?? retired.get(id);
  const submissions = createSubmissions({ store, find: (id) => known(id)?.job, recall: retired.recall });
  const find = (reference: string): ActiveJob =>
    known(reference) ??
    jobs.get(
      findJob(
        reference,
        [...jobs.values()].map(({ job }) => job),
      ),
    )!;

  /** Returns the surroundings by which a job file is judged. */
  const atHand = (): JobSituation => ({ workers: workers.all().map(workerInfo), jobs: [...jobs.values()], host: hostname() });

  const decide = async (active: ActiveJob, event: RunEvent): Promise<Job> => {
    active.dispatch(event);
    await active.settled(SETTLE_MS);
    return active.job;
  };

  const restored = await restoreJobs({ store, records, admission, log });
  for (const { job, spec, run, ledger, fault, held } of restored) {
    const active = board.add({ job, spec, run, held });
    if (run.phase === 'ended') continue;
    if (run.phase !== 'queued') log.info({ job: job.id, phase: run.phase, generation: run.generation, step: run.step }, 'job found');
    active.dispatch({ type: 'recovered', incarnation: store.incarnation, ledger });
    if (fault !== undefined) active.dispatch({ type: 'fault', reason: 'CheckpointInvalid', message: fault });
    // Its workers, if it has any, write a checkpoint; nothing can be decided for it without its recipe.
    if (held !== undefined) active.dispatch({ type: 'preempt', reason: `held back for want of recipe ${spec.recipe}` });
  }
  const waiting = heldJobs(restored);
  if (waiting !== undefined) log.warn({ jobs: waiting.jobs, reason: waiting.reason }, 'jobs wait for a coordinator with their recipe');
  const queued = restored.filter(({ run }) => run.phase === 'queued').length;
  if (restored.length > 0) log.info({ jobs: restored.length, queued }, 'jobs found');
  const inOrderOfEnd = restored.filter(({ run }) => run.phase === 'ended').sort((a, b) => (a.job.endedAt < b.job.endedAt ? -1 : 1));
  // Not awaited at start: after an upgrade there may be many.
  for (const { job } of inOrderOfEnd) void retired.ended(job.id);
  const ticker = setInterval(
    () => {
      const risks = [risk(), records.problem()].filter((why) => why !== undefined);
      const why = risks.length === 0 ? undefined : risks.join('; ');
      board.tick(why);
    },
    Math.min(TICK_MS, timeouts.heartbeatMs),
  );

  const stopWatching = store.onForgotten(() => {
    rewriteRecords({ store, records, log }, jobs).catch((error: unknown) => log.warn({ error }, 'records could not be written again'));
  });

  /** Ledgers of retired jobs. */
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
      const startPoint = await admission.startPoint(spec, specJson);
      const create = async (id: string): Promise<Job> => {
        // Checked here, so that a key that was used before still returns its job when the data has gone since.
        const warnings = await requireFeasible(spec, { ...atHand(), startStep: startPoint.step });
        const job = newJob({ id, spec, specJson: JSON.stringify(spec), warnings, now: new Date().toISOString() });
        await store.saveJob(job);
        await records.add({ job, ...(idempotencyKey !== '' && { key: idempotencyKey }) });
        log.info({ job: id, name: spec.name }, 'job submitted');
        const run = queuedRun({ id, spec, startPoint }, store.incarnation, Date.parse(job.createdAt));
        const active = board.add({ job, spec, run });
        if (board.toldRisk !== undefined) active.tick(board.toldRisk);
        placer.placeNew();
        return active.job;
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
    notice: waiting && `${waiting.jobs} unfinished job${waiting.jobs === 1 ? ' waits' : 's wait'}: ${waiting.reason}`,
    workers: () => workers.all().map(workerInfo),
    drainWorker: (name) => workerInfo(board.drainWorker(name)),
    // Only the hash of the key is kept, also in Redis, so that nobody can read it.
    attach: ({ sessionKey, ...hello }, connection) =>
      board.attach({ ...hello, sessionKey: createHash('sha256').update(sessionKey).digest('hex') }, connection),
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
