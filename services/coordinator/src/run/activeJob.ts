import { addDigests, jobSchedule, type Schedule } from '@maestro/data';
import {
  errorMessage,
  type FailureTimeouts,
  type ImagesSkipped,
  type Job,
  type JobSpec,
  MaestroError,
  type StepCommitted,
  type ViewMember,
} from '@maestro/protocol';
import type { Logger } from '@maestro/telemetry';
import type { Bookkeeper } from '../books/bookkeeper.ts';
import { UNKNOWN_WORKER } from '../books/ledger.ts';
import { createOutbox, isDecision } from '../books/outbox.ts';
import { createSkippedLog } from '../books/skippedLog.ts';
import { advanceProgress, initialProgress, withBookkeeping, withCheckpoint, withRisk, withRun } from '../jobs/jobView.ts';
import type { CoordinatorEvents } from '../metrics/observer.ts';
import type { Clock } from './clock.ts';
import { transition } from './jobRun.ts';
import type { JobRun, RestorePoint, RunEffect, RunEvent } from './state/runState.ts';

const SAVE_EVERY_MS = 1000;
/** The longest delay that a timer supports. */
const LONGEST_WAIT_MS = 2 ** 31 - 1;

/** An active job of the coordinator: its record, its run, and the handling of both. */
export interface ActiveJob {
  /** Its file, like the record as shown to others. */
  readonly spec: JobSpec;
  /** The record as shown to others: decisions that are not in Redis yet are not included. */
  readonly job: Job;
  readonly run: JobRun;
  /** Committed steps that are not in the ledger yet. */
  readonly unwrittenSteps: number;
  /** True when it has a bookkeeper, which writes its records. */
  readonly isBooked: boolean;
  /** Reason why it gets no workers from this coordinator; absent when it does. */
  readonly held?: string;
  readonly listeners: Set<(job: Job) => void>;
  /** Handles an event: changes the run, and performs the effects. */
  dispatch(event: RunEvent): void;
  /** Calls `action` when all that was decided is in Redis. */
  whenSettled(action: () => void): void;
  /**
   * Resolves when all decisions are in Redis: what is announced earlier is lost with the coordinator.
   * @throws MaestroError `unavailable` when it takes longer; it is still done once Redis is back, if the coordinator lives until then.
   */
  settled(timeoutMs: number): Promise<void>;
  /** Logs images that a worker could not read. */
  noteSkipped(worker: string, skipped: ImagesSkipped): void;
  /** Changes only the record. */
  amend(change: (job: Job) => Job): void;
  /** Handles deadlines and acknowledgements. `risk` says why accepted jobs may be lost, if they may. */
  tick(risk?: string): void;
  close(timeoutMs: number): Promise<void>;
}

/** The newest valid checkpoint that a job has written, and what was passed over on the way to it; undefined when it has none. */
export interface FoundCheckpoint {
  readonly point: RestorePoint | undefined;
  readonly note: string;
}

/** A checkpoint that was looked for: one of the two is called, once. */
export interface CheckpointAnswer {
  found(found: FoundCheckpoint): void;
  failed(error: unknown): void;
}

/** Options of {@link openActiveJob}. */
export interface ActiveJobOptions {
  readonly job: Job;
  readonly run: JobRun;
  readonly spec: JobSpec;
  /** See {@link ActiveJob}. */
  readonly held?: string | undefined;
  readonly timeouts: FailureTimeouts;
  readonly clock: Clock;
  readonly openBooks: (onAcknowledged: (step: number) => void) => Bookkeeper;
  /** Called when the job has ended, and all of it is in Redis. */
  readonly onSettled: () => Promise<void>;
  /** Looks for the newest valid checkpoint that the job has written. */
  readonly findCheckpoint: (answer: CheckpointAnswer, spec: JobSpec) => void;
  readonly perform: (effect: Extract<RunEffect, { type: 'send' | 'disconnect' }>) => void;
  /** Returns a version that no record had before. */
  readonly newVersion: () => string;
  /** Called when workers or places may have become free. */
  readonly onMoved: () => void;
  readonly events: Pick<CoordinatorEvents, 'committed' | 'recomputed' | 'moved'>;
  readonly log: Logger;
}

/** Opens a job. */
export function openActiveJob(options: ActiveJobOptions): ActiveJob {
  const { held, timeouts, clock, perform, events, log } = options;
  let { job, run } = options;
  let shown = job;
  let shownSpec = options.spec;
  const { id } = job;
  const outbox = createOutbox();
  const listeners = new Set<(job: Job) => void>();
  const skippedLog = createSkippedLog(id, log);
  let acknowledged = 0;
  let acknowledgedSent = 0;
  let lastSavedMs = 0;
  let isSearching = false;
  let schedule: Schedule | undefined;
  let written = { ms: 0, text: '' };
  const timeNow = (): string => {
    const { nowMs } = clock;
    if (written.ms !== nowMs) written = { ms: nowMs, text: new Date(nowMs).toISOString() };
    return written.text;
  };
  const queue: RunEvent[] = [];
  let isDispatching = false;
  let opened: Bookkeeper | undefined;
  /** Opened on demand: an ended job needs no bookkeeper. */
  const books = (): Bookkeeper => {
    opened ??= options.openBooks((step) => {
      acknowledged = Math.max(acknowledged, step);
    });
    return opened;
  };
  if (run.phase !== 'ended' && run.phase !== 'queued') books();

  /** Closes the bookkeeper of an ended job once all is written. */
  let isSettling = false;
  const settle = async (): Promise<void> => {
    const mine = opened;
    if (isSettling || mine === undefined) return;
    isSettling = true;
    try {
      if (!(await mine.drain(LONGEST_WAIT_MS))) return;
      await options.onSettled();
      if (!(await mine.drain(LONGEST_WAIT_MS))) return;
      opened = undefined;
      await mine.close();
    } catch (error) {
      log.warn({ job: id, error }, 'the end of the job could not be settled');
    } finally {
      isSettling = false;
    }
  };

  /** Plans the steps, once the data set is known. */
  const plan = (): Schedule => {
    if (schedule === undefined) {
      schedule = jobSchedule(run.facts.spec, run.common!.datasetLength);
      books().plan(schedule);
      job = { ...job, progress: job.progress ?? initialProgress(schedule, run.step) };
    }
    return schedule;
  };

  const enter = (committed: StepCommitted, members: readonly ViewMember[]): void => {
    const { generation, step, ranks } = committed;
    events.committed(id, committed);
    job = { ...job, progress: advanceProgress(job.progress ?? initialProgress(plan(), step - 1), committed, plan()) };
    const owners = ranks.map(() => UNKNOWN_WORKER);
    for (const { id: owner, firstRank, ranks: count } of members) owners.fill(owner, firstRank, firstRank + count);
    books().commit({
      generation,
      step,
      content: ranks.reduce((sum, { content }) => addDigests(sum, content), 0),
      ranks: ranks.map(({ images, digest }, rank) => ({ worker: owners[rank]!, images, digest })),
    });
  };

  const search = (): void => {
    if (isSearching) return;
    isSearching = true;
    const answer: CheckpointAnswer = {
      found({ point = run.facts.startPoint, note }) {
        isSearching = false;
        if (note !== '') log.warn({ job: id, note }, 'checkpoints were passed over');
        dispatch({ type: 'restorePoint', point, note });
      },
      failed(error) {
        isSearching = false;
        dispatch({ type: 'fault', reason: 'CheckpointSearch', message: `looking for a checkpoint failed: ${errorMessage(error)}` });
      },
    };
    options.findCheckpoint(answer, run.facts.spec);
  };

  const act = (effect: RunEffect): void => {
    switch (effect.type) {
      case 'send':
      case 'disconnect':
        return outbox.tell(() => perform(effect));
      case 'openGeneration':
        plan();
        return books().openGeneration(effect.generation, effect.step);
      case 'enqueueShards':
        if (effect.step < plan().totalSteps) books().enqueueAround(effect.step);
        return;
      case 'commitStep':
        return enter(effect.committed, effect.members);
      case 'addCheckpoint': {
        const { step, path, hash } = effect.checkpoint;
        log.info({ job: id, step, path, hash }, 'checkpoint written');
        job = withCheckpoint(job, { step, path, hash });
        return;
      }
      case 'findCheckpoint':
        return search();
      case 'closeQueues':
        return books().removeShards();
    }
  };

  const show = (next: Job): void => {
    shown = next;
    for (const listener of listeners) listener(next);
  };

  const publish = (next: Job, isUrgent: boolean, onSaved?: () => void): void => {
    const published = { ...next, resourceVersion: options.newVersion() };
    job = published;
    const { spec } = run.facts;
    outbox.tell(() => {
      shownSpec = spec;
      show(published);
    });
    // The reason that a job waits before it has begun can be recomputed: thousands may wait, and none of them needs a bookkeeper for it.
    if (!isUrgent && opened === undefined && run.phase === 'queued') return;
    const { nowMs } = clock;
    if (!isUrgent && nowMs - lastSavedMs < SAVE_EVERY_MS) return;
    lastSavedMs = nowMs;
    books().saveRun(run, onSaved);
    books().saveJob(job);
    if (run.phase === 'ended') void settle();
  };

  /** Events caused by an effect are handled after it. */
  const dispatch = (event: RunEvent): void => {
    queue.push(event);
    if (isDispatching) return;
    isDispatching = true;
    try {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) step(next);
    } finally {
      isDispatching = false;
    }
  };

  const step = (event: RunEvent): void => {
    const before = run;
    const checkpoints = job.checkpoints;
    const result = transition(before, event, { nowMs: clock.nowMs, timeouts });
    run = result.run;
    if (run.choice !== before.choice) job = { ...job, specJson: JSON.stringify(run.facts.spec) };
    if (event.type === 'committed' && event.committed.step <= before.step) events.recomputed(id, event.committed);
    const isMoved = run.phase !== before.phase || run.generation !== before.generation || run.workers.length !== before.workers.length;
    const isChanged = isMoved || run.message !== before.message || run.view?.status !== before.view?.status;
    if (run.phase !== before.phase || run.message !== before.message) {
      log.info({ job: id, generation: run.generation, phase: run.phase, step: run.step, reason: run.message }, 'job changed');
    }
    for (const refusal of run.refusals) {
      if (!before.refusals.some(({ workerId, reason }) => workerId === refusal.workerId && reason === refusal.reason))
        log.warn({ job: id, generation: run.generation, step: run.step, reason: refusal.reason }, 'worker refused');
    }
    // The release may be the last message that a worker receives: no later coordinator must think that the job continues.
    const onSaved = isDecision(before, run) ? outbox.decide() : undefined;
    for (const effect of result.effects) act(effect);
    if (run === before) return;
    if (run.phase === 'ended') skippedLog.end();
    events.moved(before, run);
    publish(withRun(job, run, timeNow()), isChanged || job.checkpoints !== checkpoints, onSaved);
    if (isMoved) options.onMoved();
  };

  return {
    get spec() {
      return shownSpec;
    },
    ...(held !== undefined && { held }),
    listeners,
    get isBooked() {
      return opened !== undefined;
    },
    get job() {
      return shown;
    },
    get run() {
      return run;
    },
    get unwrittenSteps() {
      return opened === undefined ? 0 : Math.max(0, run.step - Math.max(acknowledged, opened.acknowledgedStep));
    },
    dispatch,
    noteSkipped: skippedLog.note,
    amend(change) {
      const next = change(job);
      if (next !== job) publish(next, false);
    },
    whenSettled: outbox.tell,
    settled: (timeoutMs) =>
      new Promise((resolve, reject) => {
        const callOff = clock.after(timeoutMs, () => {
          const why = opened?.problem() ?? 'Redis does not answer';
          reject(
            new MaestroError('unavailable', `job ${id}: accepted, but not persisted yet, so nobody is told: ${why}; look again later`),
          );
        });
        outbox.tell(() => {
          callOff();
          resolve();
        });
      }),
    tick(risk) {
      if (acknowledged > acknowledgedSent) {
        acknowledgedSent = acknowledged;
        if (acknowledged > run.step) dispatch({ type: 'acknowledged', step: acknowledged });
        for (const { id: workerId } of run.workers)
          perform({ type: 'send', workerId, message: { kind: 'acknowledge', jobId: id, step: acknowledged } });
      }
      const problem = opened?.problem();
      const told = withRisk(withBookkeeping(job, problem, timeNow()), risk, timeNow());
      if (told !== job) publish(told, false);
      // The problem that keeps a decision from being announced may itself be announced.
      if (outbox.isWaiting) {
        const now = withBookkeeping(shown, problem, timeNow());
        if (now !== shown) show(now);
      }
      if (run.phase !== 'ended' && run.phase !== 'queued' && run.phase !== 'paused') {
        dispatch({ type: 'tick', ...(problem !== undefined && { outage: problem }) });
      }
    },
    async close(timeoutMs) {
      if (opened === undefined) return;
      opened.saveRun(run);
      opened.saveJob(job);
      await opened.drain(timeoutMs);
      await opened.close();
    },
  };
}
