import type { Schedule } from '@maestro/data';
import { errorMessage, isMaestroError, type Job } from '@maestro/protocol';
import type { Logger } from '@maestro/telemetry';
import { createBackOff } from '../run/backOff.ts';
import { type CommittedStep, createLedgerWriter } from './ledgerWriter.ts';
import type { ShardWriter } from './shardWriter.ts';
import type { Store } from './store.ts';

/**
 * Writes all records of one job to Redis, in order and without loss: calls return at once, and their writes are retried until they succeed.
 * Commits are written in the order of their steps, whatever order they arrive in; records and shards follow the commits that came before
 * them, and only the newest of each is written. The backlog is bounded by what members may leave unacknowledged.
 */
export interface Bookkeeper {
  /** Sets the job's schedule, once its data set is known; before that only records are written. */
  plan(schedule: Schedule): void;
  /**
   * Starts a new view at `step`; every report of older generations has been passed on before. Steps up to `step` that nobody reported are
   * committed as done by an unknown worker, since nobody can report them any more. Opens the generation's queues.
   */
  openGeneration(generation: number, step: number): void;
  /** Commits a step; a known one is acknowledged again. */
  commit(step: CommittedStep): void;
  /** Ensures that the shards of the window of `step`, and of the next one, are in the queues. */
  enqueueAround(step: number): void;
  saveJob(job: Job): void;
  /** Calls `onSaved` once this run or a newer one is in Redis; never if that does not happen. */
  saveRun(run: unknown, onSaved?: () => void): void;
  /** Removes the queues of an ended job. */
  removeShards(): void;
  /** Number of steps in the ledger; 0 before it was read. */
  readonly acknowledgedStep: number;
  /** Returns why writes are pending, since when, and how many; `undefined` while all is well. */
  problem(): string | undefined;
  /** Resolves when all writes have reached Redis, or with false after `timeoutMs`. */
  drain(timeoutMs: number): Promise<boolean>;
  /** Stops; pending writes are dropped. */
  close(): Promise<void>;
}

/** Options of {@link openBookkeeper}. */
export interface BookkeeperOptions {
  readonly store: Store;
  readonly openShards: (jobId: string, schedule: Schedule) => ShardWriter;
  readonly jobId: string;
  /** The job's seed. */
  readonly seed: number;
  /** Called with the number of steps in the ledger, whenever it grows and for each report of a known step. */
  readonly onAcknowledged: (step: number) => void;
  /** Called for each record that has reached Redis, with the run that was saved last; `undefined` when there was none. */
  readonly onRecorded?: (job: Job, run: unknown) => void;
  readonly log: Logger;
  /** Number of recent steps kept in case Redis loses them (default 4096; Redis loses a second at most). */
  readonly keptSteps?: number;
  /** Time that an early report waits for those before it (default 10 000); after that nobody has them any more. */
  readonly gapMs?: number;
}

/** Duration after which a call to Redis is reported as a problem, in milliseconds. */
const SLOW_MS = 1000;

/** Opens the bookkeeper of a job, new or loaded from the store. */
export function openBookkeeper({
  store,
  openShards,
  jobId,
  seed,
  onAcknowledged,
  onRecorded = () => undefined,
  log: parentLog,
  keptSteps = 4096,
  gapMs = 10_000,
}: BookkeeperOptions): Bookkeeper {
  const log = parentLog.child({ job: jobId });
  let shards: ShardWriter | undefined;
  let job: { readonly record: Job; isSaved: boolean } | undefined;
  let run: { readonly record: unknown; isSaved: boolean } | undefined;
  let savers: (() => void)[] = [];
  let shardStep: { readonly step: number; isDone: boolean } | undefined;
  let isRemovalDue = false;
  let failure: string | undefined;
  let callSinceMs: number | undefined;
  let isClosed = false;
  /** Set by each call; the pump then checks once more before it rests. */
  let isAsked = false;
  let pumping: Promise<void> | undefined;
  const idlers = new Set<() => void>();
  const backOff = createBackOff({ firstMs: 50, longestMs: 2000 });
  const ledger = createLedgerWriter({
    store,
    jobId,
    seed,
    onAcknowledged,
    onOpened: ({ generation, step }) => shards!.openGeneration(generation, step),
    onRepaired: async () => {
      if (shardStep !== undefined) await shards!.repair(shardStep.step);
    },
    log,
    keptSteps,
    gapMs,
  });

  /** Does the next due write; false when there is none. */
  const doNext = async (): Promise<boolean> => {
    if (await ledger.writeNext()) return true;
    if (shardStep?.isDone === false && ledger.opened !== undefined) {
      const wanted = shardStep;
      await shards!.enqueueAround(wanted.step);
      wanted.isDone = true;
      return true;
    }
    if (run?.isSaved === false) {
      const saved = run;
      const told = savers;
      savers = [];
      try {
        await store.saveRun(jobId, saved.record);
      } catch (error) {
        savers = [...told, ...savers];
        throw error;
      }
      saved.isSaved = true;
      for (const tell of told) tell();
      return true;
    }
    if (job?.isSaved === false) {
      const saved = job;
      await store.saveJob(saved.record);
      saved.isSaved = true;
      onRecorded(saved.record, run?.record);
      return true;
    }
    if (isRemovalDue) {
      await shards?.remove();
      isRemovalDue = false;
      return true;
    }
    return false;
  };

  const pump = async (): Promise<void> => {
    while (!isClosed) {
      try {
        callSinceMs = Date.now();
        isAsked = false;
        const hasMore = await doNext();
        callSinceMs = undefined;
        if (failure !== undefined) log.info({ step: ledger.head?.step }, 'bookkeeping goes on');
        failure = undefined;
        backOff.reset();
        if (!hasMore && !isAsked) {
          if (ledger.waiting === 0) break;
          await backOff.wait(ledger.patienceMs + 1);
        }
      } catch (error) {
        if (isClosed) break;
        const since = new Date(callSinceMs ?? Date.now()).toISOString();
        callSinceMs = undefined;
        if (failure === undefined) log.warn({ error, steps: ledger.waiting }, 'bookkeeping waits');
        failure ??= `since ${since}: ${errorMessage(error)}`;
        if (!isMaestroError(error, 'redis-unavailable')) {
          // Fenced, or our own bug: retrying cannot help.
          log.error({ error }, 'bookkeeping has ended');
          isClosed = true;
          break;
        }
        await backOff.wait();
      }
    }
    for (const idle of idlers) idle();
  };
  const wake = (): void => {
    if (isClosed) return;
    isAsked = true;
    if (pumping !== undefined) {
      if (failure === undefined) backOff.cut(); // it waits for a report
      return;
    }
    pumping = pump().finally(() => {
      pumping = undefined;
      if (isDue()) wake();
    });
  };
  /** Returns true when a call came in after the pump's last check. */
  const isDue = (): boolean =>
    ledger.isDue() ||
    isRemovalDue ||
    [job, run].some((record) => record?.isSaved === false) ||
    (shardStep?.isDone === false && ledger.opened !== undefined);

  const stopWatching = store.onReturn(() => {
    ledger.recheck();
    if (job !== undefined) job.isSaved = false;
    if (run !== undefined) run.isSaved = false;
    wake();
    backOff.cut();
  });
  wake();

  return {
    plan: (schedule) => {
      ledger.plan(schedule);
      shards ??= openShards(jobId, schedule);
      wake();
    },
    openGeneration: (generation, step) => {
      ledger.open({ generation, step });
      shardStep = { step, isDone: false };
      wake();
    },
    commit: (step) => {
      ledger.offer(step);
      wake();
    },
    enqueueAround: (step) => {
      if (shardStep?.step === step) return;
      shardStep = { step, isDone: false };
      wake();
    },
    saveJob: (record) => {
      job = { record, isSaved: false };
      wake();
    },
    saveRun: (record, onSaved) => {
      run = { record, isSaved: false };
      if (onSaved !== undefined) savers.push(onSaved);
      wake();
    },
    removeShards: () => {
      isRemovalDue = true;
      shardStep = undefined;
      wake();
    },
    get acknowledgedStep() {
      return ledger.head?.step ?? 0;
    },
    problem: () => {
      const isSlow = callSinceMs !== undefined && Date.now() - callSinceMs > SLOW_MS;
      const why = failure ?? (isSlow ? `since ${new Date(callSinceMs!).toISOString()}: Redis does not answer` : undefined);
      return why === undefined ? undefined : `${ledger.waiting} steps wait to be written to the ledger ${why}`;
    },
    drain: (timeoutMs) =>
      new Promise((resolve) => {
        const settle = (): void => {
          if (isDue() && !isClosed) return;
          finish(!isClosed);
        };
        const finish = (isDrained: boolean): void => {
          clearTimeout(timer);
          idlers.delete(settle);
          resolve(isDrained);
        };
        const timer = setTimeout(() => finish(false), timeoutMs);
        idlers.add(settle);
        if (pumping === undefined) settle();
      }),
    close: async () => {
      isClosed = true;
      stopWatching();
      backOff.cut();
      for (const idle of idlers) idle();
      await shards?.close();
    },
  };
}
