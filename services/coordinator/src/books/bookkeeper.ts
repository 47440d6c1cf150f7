import type { Schedule } from '@maestro/data';
import { errorMessage, isMaestroError, type Job } from '@maestro/protocol';
import type { Logger } from '@maestro/telemetry';
import { createBackOff } from '../run/backOff.ts';
import { type CommittedStep, createLedgerWriter } from './ledgerWriter.ts';
import type { ShardWriter } from './shardWriter.ts';
import type { Store } from './store.ts';

/**
 * Everything of one job that goes to Redis, in order and never lost: calls return at once, and what they ask for is tried until it is
 * done. Commits are written in the order of their steps, whatever the order they come in; records and shards follow the commits that
 * came before them, and only the newest of each is written. What waits is bounded by what members may leave unacknowledged.
 */
export interface Bookkeeper {
  /** Says how the job's steps are laid out, once its data set is known; nothing but records is written before. */
  plan(schedule: Schedule): void;
  /**
   * A new view works from `step` on: every report of older generations was given before. Steps up to `step` that nobody reported are
   * entered as done by an unknown worker, since nobody can report them any more. Opens the generation's queues.
   */
  openGeneration(generation: number, step: number): void;
  /** Enters a step; one that is known already is acknowledged again. */
  commit(step: CommittedStep): void;
  /** The shards of the window of `step`, and of the next one, must be in the queues. */
  enqueueAround(step: number): void;
  saveJob(job: Job): void;
  /** `onSaved` is called once this one or a newer one is in Redis; never when that does not come to be. */
  saveRun(run: unknown, onSaved?: () => void): void;
  /** The job has ended: removes its queues. */
  removeShards(): void;
  /** Steps that the ledger has; 0 before it was read. */
  readonly acknowledgedStep: number;
  /** Why what was asked for is not in Redis yet, since when, and how much waits; `undefined` while all goes well. */
  problem(): string | undefined;
  /** Resolves when all that was asked for is in Redis, or, with false, when `timeoutMs` has passed. */
  drain(timeoutMs: number): Promise<boolean>;
  /** Stops; what is not written yet is given up. */
  close(): Promise<void>;
}

/** What a bookkeeper needs. */
export interface BookkeeperOptions {
  readonly store: Store;
  readonly openShards: (jobId: string, schedule: Schedule) => ShardWriter;
  readonly jobId: string;
  /** The job's seed. */
  readonly seed: number;
  /** Told how many steps the ledger has, whenever that grows and for each report that it knows already. */
  readonly onAcknowledged: (step: number) => void;
  /** Told of each record that is in Redis now, with the run that was saved last; `undefined` when none was. */
  readonly onRecorded?: (job: Job, run: unknown) => void;
  readonly log: Logger;
  /** So many of the last steps are kept to be written again should Redis forget them (default 4096; Redis forgets a second at most). */
  readonly keptSteps?: number;
  /** A report that is ahead waits so long for those before it (default 10 000); then nobody has them any more. */
  readonly gapMs?: number;
}

/** A call to Redis that takes longer shows as a problem, in milliseconds. */
const SLOW_MS = 1000;

/** Opens the bookkeeper of a job, new or found in the store. */
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
  /** Set by whoever asks for something; the pump then looks once more before it rests. */
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

  /** Does the next thing that is due; false when there is none. */
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
          // Fenced, or a mistake of ours: trying again cannot help.
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
  /** Whether something came in after the pump had looked for the last time. */
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
