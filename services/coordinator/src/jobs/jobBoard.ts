import { stepFolder } from '@maestro/checkpoint';
import {
  type FailureTimeouts,
  type Hello,
  type Job,
  type JobSpec,
  MaestroError,
  type Standing,
  type WorkerMessage,
} from '@maestro/protocol';
import type { Logger } from '@maestro/telemetry';
import type { Bookkeeper } from '../books/bookkeeper.ts';
import type { CoordinatorEvents } from '../metrics/observer.ts';
import { createPlacer, type Placer } from '../placement/placer.ts';
import { type ActiveJob, type CheckpointAnswer, openActiveJob } from '../run/activeJob.ts';
import type { Clock } from '../run/clock.ts';
import type { JobRun, RunWorker } from '../run/state/runState.ts';
import { createDistrust } from '../workers/distrust.ts';
import { judgeStanding, whyUnbelievable } from '../workers/judgeMessage.ts';
import { workerEvent } from '../workers/workerEvent.ts';
import {
  type ConnectedWorker,
  createWorkerRegistry,
  type IsGone,
  type WorkerConnection,
  type WorkerRegistry,
} from '../workers/workerRegistry.ts';

/** Maximum number of coordinator starts that Redis can have lost. */
const MOST_FORGOTTEN_STARTS = 1000;

/** A worker's control stream, from the coordinator's side. */
export interface WorkerSession {
  receive(message: WorkerMessage): void;
  /** Called when the stream has ended; `evidence` says how. */
  closed(evidence: string): void;
}

/**
 * Options of {@link openJobBoard}: the ports to the outside. A simulation supplies its own clock, books and connections, and drives the
 * same board.
 */
export interface JobBoardOptions {
  readonly clock: Clock;
  readonly timeouts: FailureTimeouts;
  /** Incarnation of this coordinator; `raise` moves it past one that a worker has seen. */
  readonly incarnation: { readonly current: number; raise(seen: number): void };
  /** Opens the bookkeeper, which writes a job's steps, records and queues. */
  readonly openBooks: (jobId: string, seed: number, onAcknowledged: (step: number) => void) => Bookkeeper;
  /** Called when a job has ended and all of it is in Redis. */
  readonly onSettled: (jobId: string) => Promise<void>;
  /** Finds the newest valid checkpoint that a job has written. */
  readonly findCheckpoint: (jobId: string, spec: JobSpec, answer: CheckpointAnswer) => void;
  /** Returns whether a process is known to have ended. By default known only of processes on this machine. */
  readonly isGone?: IsGone;
  /** Receives events. */
  readonly events: CoordinatorEvents;
  readonly log: Logger;
}

/** A job for the board. */
export interface BoardJob {
  readonly job: Job;
  readonly spec: JobSpec;
  readonly run: JobRun;
  /** See {@link ActiveJob}. */
  readonly held?: string | undefined;
}

/** Core of the coordinator, without requests and startup: the current jobs, the connected workers, and the assignments between them. */
export interface JobBoard {
  /** In order of submission. */
  readonly jobs: Map<string, ActiveJob>;
  readonly workers: WorkerRegistry;
  readonly placer: Placer;
  /** Creates a job from its record without adding it to the board. */
  open(of: BoardJob): ActiveJob;
  /** Adds a job to the board. */
  add(of: BoardJob): ActiveJob;
  /** @throws MaestroError `conflict`, `unavailable` or `protocol-violation` when the worker cannot be taken on. */
  attach(hello: Hello, connection: WorkerConnection): WorkerSession;
  /** Takes a worker out of its job at a step boundary, and gives it no other until it is restarted. @throws MaestroError `not-found`. */
  drainWorker(name: string): ConnectedWorker;
  /** Runs time-driven work of every job and of the queue. `risk` is the reason why accepted jobs may be lost, if any. */
  tick(risk?: string): void;
  /** The `risk` of the last tick. */
  readonly toldRisk: string | undefined;
}

/** Opens a board without jobs and workers. */
export function openJobBoard(options: JobBoardOptions): JobBoard {
  const { clock, timeouts, incarnation, openBooks, onSettled, findCheckpoint, events, log } = options;
  const jobs = new Map<string, ActiveJob>();
  const distrust = createDistrust(log);
  const workers = createWorkerRegistry({
    onGone(id) {
      distrust.forget(id);
      events.gone(id);
    },
    ...(options.isGone !== undefined && { isGone: options.isGone }),
  });
  const placer = createPlacer({ jobs, workers, timeouts, clock });
  let versions = 0;
  let toldRisk: string | undefined;

  const open: JobBoard['open'] = ({ job, spec, run, held }) =>
    openActiveJob({
      job,
      spec,
      run,
      held,
      timeouts,
      clock,
      openBooks: (onAcknowledged) => openBooks(job.id, spec.seed, onAcknowledged),
      onSettled: () => onSettled(job.id),
      findCheckpoint: (answer, decided) => findCheckpoint(job.id, decided, answer),
      perform(effect) {
        const worker = workers.get(effect.workerId);
        if (worker === undefined) return;
        if (effect.type === 'send') return worker.connection.send(effect.message);
        log.warn({ worker: worker.hello.name, reason: effect.reason }, 'worker lost');
        workers.forget(effect.workerId);
        worker.connection.close();
      },
      newVersion: () => `${incarnation.current}-${++versions}`,
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

  /** Returns the workers that jobs have by this name, connected or not. */
  const previousOf = (name: string): RunWorker[] =>
    [...jobs.values()].flatMap(({ run }) => run.workers.filter((each) => each.name === name));

  /** Replaces the previous incarnation of a restarted worker: what its earlier process held of a job is lost. */
  const replacePrevious = ({ name, id }: Hello): void => {
    for (const { run, dispatch } of jobs.values()) {
      for (const previous of run.workers) {
        if (previous.name !== name || previous.id === id) continue;
        dispatch({ type: 'disconnected', workerId: previous.id, evidence: 'it was started again', isDead: true });
      }
    }
  };

  /** Refuses a worker that has seen a later coordinator than this one. */
  const requireOwnTime = ({ name, incarnation: seen }: Hello): void => {
    const { current } = incarnation;
    if (seen <= current) return;
    if (seen > current + MOST_FORGOTTEN_STARTS) {
      const problem = `worker ${name} reports incarnation ${seen}, which is impossible: the current one is ${current}`;
      throw new MaestroError('protocol-violation', problem);
    }
    // Redis has lost a start, or a later coordinator is active; in that case this one cannot take a number.
    incarnation.raise(seen);
    throw new MaestroError('unavailable', `worker ${name} has seen incarnation ${seen}; this is ${current}`);
  };

  const takeStanding = (active: ActiveJob, hello: Hello, told: Standing): void => {
    const { standing, problem } = judgeStanding(active.run, hello.id, told, { nowMs: clock.nowMs, timeouts });
    if (problem !== undefined) distrust.tell(hello, { kind: 'standing' }, problem);
    if (standing !== undefined) return active.dispatch({ type: 'standing', worker: hello, standing });
    const { connection } = workers.get(hello.id)!;
    connection.send({ kind: 'release', jobId: told.jobId, writeCheckpoint: false, reason: problem ?? 'the job is not its own' });
  };

  const take = (worker: ConnectedWorker, message: WorkerMessage): void => {
    const { hello } = worker;
    const { name, id } = hello;
    if (!workers.has(worker) || message.kind === 'hello') return;
    // A stopping worker gets no more work.
    if (message.kind === 'drain') worker.isDrained = true;
    const active = message.jobId === '' ? undefined : jobs.get(message.jobId);
    const problem =
      active === undefined
        ? undefined
        : (whyUnbelievable(active.run, id, message, { nowMs: clock.nowMs, timeouts }) ?? whyElsewhere(message));
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
  };

  return {
    jobs,
    workers,
    placer,
    open,
    get toldRisk() {
      return toldRisk;
    },
    add(of) {
      const active = open(of);
      jobs.set(of.job.id, active);
      return active;
    },
    attach(hello, connection) {
      requireOwnTime(hello);
      workers.requireName(hello, previousOf(hello.name));
      replacePrevious(hello);
      const { name, id, address, device, threads, pid, standing } = hello;
      const worker: ConnectedWorker = { hello, connection, jobId: standing?.jobId ?? '', isDrained: false };
      workers.add(worker);
      log.info({ worker: name, address, device, threads, pid, job: worker.jobId, generation: standing?.generation }, 'worker joined');
      connection.send({
        kind: 'welcome',
        incarnation: incarnation.current,
        heartbeatMs: timeouts.heartbeatMs,
        failureTimeoutMs: timeouts.silenceMs,
      });
      // Jobs that count on it are notified when it no longer works for them.
      for (const active of jobs.values()) {
        const { id: jobId } = active.job;
        if (jobId === worker.jobId || !active.run.workers.some((member) => member.id === id)) continue;
        const left = { jobId, generation: 0, step: -1, outcome: 'released', errorCode: '', errorMessage: '' } as const;
        active.dispatch({ type: 'left', workerId: id, left });
      }
      if (standing !== null) {
        const active = jobs.get(standing.jobId);
        if (active !== undefined && active.run.phase !== 'ended') takeStanding(active, hello, standing);
        else connection.send({ kind: 'release', jobId: standing.jobId, writeCheckpoint: false, reason: 'the job is over or unknown' });
      }
      placer.placeSoon();
      return {
        receive: (message) => take(worker, message),
        closed(evidence) {
          if (!workers.has(worker)) return;
          workers.forget(id);
          log.info({ worker: name, reason: evidence }, 'worker gone');
          jobs.get(worker.jobId)?.dispatch({ type: 'disconnected', workerId: id, evidence });
        },
      };
    },
    drainWorker(name) {
      const worker = workers.named(name);
      worker.isDrained = true;
      const { jobId, hello } = worker;
      jobs.get(jobId)?.dispatch({ type: 'drain', workerId: hello.id, reason: 'it is drained on request' });
      return worker;
    },
    tick(risk) {
      // A job without a bookkeeper has ended or not begun: it needs no tick except to show a risk.
      for (const active of jobs.values()) if (active.isBooked || risk !== toldRisk) active.tick(risk);
      toldRisk = risk;
      placer.tick();
    },
  };
}

/** Returns why a checkpoint cannot be where a worker reports it: not in a folder of its step and job. The path will be read. */
function whyElsewhere(message: WorkerMessage): string | undefined {
  if (message.kind !== 'checkpoint') return undefined;
  const [step, ...above] = message.path.split(/[/\\]/).reverse();
  const isThere = step === stepFolder(message.step) && above.includes(message.jobId) && !above.includes('..');
  return isThere ? undefined : `there is no checkpoint of the job at ${message.path}`;
}
