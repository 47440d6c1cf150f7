import { positionsOfRank, type Schedule, stepsOfEpoch, windowOfStep } from '@maestro/data';
import { assertInternal, errorMessage, isMaestroError, type Job } from '@maestro/protocol';
import type { Logger } from '@maestro/telemetry';
import { foldEpoch, rankDigest } from './audit.ts';
import { createBackOff } from './backOff.ts';
import { type LedgerEntry, type LedgerHead, UNKNOWN_WORKER } from './ledger.ts';
import type { ShardWriter } from './shardWriter.ts';
import type { Store } from './store.ts';

/** A step that members report as applied. */
export type CommittedStep = Pick<LedgerEntry, 'generation' | 'step' | 'ranks'>;

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
  saveRun(run: unknown): void;
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
  readonly log: Logger;
  /** So many of the last steps are kept to be written again should Redis forget them (default 4096: hours or minutes, where Redis forgets a second). */
  readonly keptSteps?: number;
  /** A report that is ahead waits so long for those before it (default 10 000); then nobody has them any more. */
  readonly gapMs?: number;
}

interface Opening {
  readonly generation: number;
  readonly step: number;
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
  log: parentLog,
  keptSteps = 4096,
  gapMs = 10_000,
}: BookkeeperOptions): Bookkeeper {
  const log = parentLog.child({ job: jobId });
  /** The ledger as far as it is known; `undefined` until it was read. */
  let head: LedgerHead | undefined;
  let shards: ShardWriter | undefined;
  const waiting = new Map<number, LedgerEntry>();
  const kept = new Map<number, LedgerEntry>();
  const openings: Opening[] = [];
  let lastOpening: Opening | undefined;
  const folds = new Set<number>();
  let job: { readonly record: Job; isSaved: boolean } | undefined;
  let run: { readonly record: unknown; isSaved: boolean } | undefined;
  let shardStep: { readonly step: number; isDone: boolean } | undefined;
  let isRemovalDue = false;
  let hasForgotten = false;
  let gapSinceMs: number | undefined;
  let failure: string | undefined;
  let callSinceMs: number | undefined;
  let isClosed = false;
  let isAsked = false;
  let pumping: Promise<void> | undefined;
  const idlers = new Set<() => void>();
  const backOff = createBackOff({ firstMs: 50, longestMs: 2000 });

  const scheduleOf = (): Schedule => {
    assertInternal(shards !== undefined, `the steps of ${jobId} are entered before they are planned`);
    return shards.schedule;
  };

  const entryOf = ({ generation, step, ranks }: CommittedStep): LedgerEntry => {
    const schedule = scheduleOf();
    assertInternal(ranks.length === schedule.virtualRanks, `${ranks.length} ranks reported of ${schedule.virtualRanks} of ${jobId}`);
    const { epoch, window } = windowOfStep(schedule, step - 1);
    return { jobId, generation, step, epoch, window, images: ranks.reduce((sum, { images }) => sum + images, 0), ranks };
  };

  /** What the schedule says of a step that nobody can report. */
  const unknownStep = (generation: number, step: number): LedgerEntry => {
    const schedule = scheduleOf();
    const ranks = Array.from({ length: schedule.virtualRanks }, (_, virtualRank) => ({
      worker: UNKNOWN_WORKER,
      images: positionsOfRank(schedule, step - 1, virtualRank).count,
      digest: rankDigest({ schedule, seed, step: step - 1, virtualRank }),
    }));
    log.warn({ step, generation }, 'nobody reported a step; it is entered from the schedule');
    return entryOf({ generation, step, ranks });
  };

  /** The ledger is known to have `step` steps. */
  const advance = (step: number): void => {
    head = { ...head!, step: Math.max(head!.step, step) };
    for (const each of waiting.keys()) if (each <= head.step) waiting.delete(each);
    onAcknowledged(head.step);
  };

  const write = async (entry: LedgerEntry): Promise<void> => {
    const { step, epoch, generation } = entry;
    const result = await store.commitStep(entry);
    if (result === 'gap') {
      hasForgotten = true;
      return;
    }
    waiting.delete(step);
    if (result === 'stale') {
      log.warn({ step, generation }, 'a report of an old generation is ignored');
      return;
    }
    kept.set(step, entry);
    kept.delete(step - keptSteps);
    if (step === stepsOfEpoch(scheduleOf(), epoch).endStep) folds.add(epoch);
    advance(step);
  };

  const openLedger = (opening: Opening): Promise<number> =>
    store.openGeneration({ jobId, ...opening, firstStep: head?.firstStep ?? opening.step, samples: scheduleOf().samples });

  const openNext = async (opening: Opening): Promise<void> => {
    if (head === undefined) {
      const step = await openLedger(opening);
      head = { generation: opening.generation, firstStep: opening.step, step };
    }
    while (head.step < opening.step && !hasForgotten) {
      const step = head.step + 1;
      await write(waiting.get(step) ?? kept.get(step) ?? unknownStep(head.generation, step));
    }
    if (hasForgotten) return;
    advance(await openLedger(opening));
    head = { ...head, generation: Math.max(head.generation, opening.generation) };
    lastOpening = opening;
    await shards!.openGeneration(opening.generation, opening.step);
    folds.add(Math.floor(head.step / scheduleOf().stepsPerEpoch) - 1);
    openings.shift();
  };

  /** Writes forward what Redis has forgotten, and all that is not in the ledger with it. */
  const reconcile = async (): Promise<void> => {
    hasForgotten = false;
    const found = await store.ledgerHead(jobId);
    if (job !== undefined) job.isSaved = false;
    if (run !== undefined) run.isSaved = false;
    if (head === undefined || shards === undefined || lastOpening === undefined) {
      head = found;
      if (found !== undefined) advance(found.step);
      return;
    }
    const { step: known, firstStep } = head;
    const { generation: oldest } = kept.values().next().value ?? lastOpening;
    if (found === undefined) await openLedger({ generation: oldest, step: firstStep });
    const { step: start, generation: reached } = found ?? { step: firstStep, generation: oldest };
    if (start < known) log.warn({ from: start + 1, to: known }, 'Redis has forgotten steps; they are written again');
    let isOpened = reached >= lastOpening.generation;
    for (let step = start + 1; step <= known; step++) {
      const entry = kept.get(step) ?? unknownStep(reached, step);
      if (!isOpened && entry.generation >= lastOpening.generation) {
        await openLedger(lastOpening);
        isOpened = true;
      }
      // The connection repeats what was under way when Redis went: a generation may be opened again before the steps that came first.
      await write({ ...entry, generation: Math.max(entry.generation, reached) });
      if (hasForgotten) return;
    }
    if (!isOpened) await openLedger(lastOpening);
    advance(start);
    folds.add(Math.floor(head.step / scheduleOf().stepsPerEpoch) - 1);
    await shards.repair(shardStep?.step ?? lastOpening.step);
  };

  const fold = async (epoch: number): Promise<void> => {
    const schedule = scheduleOf();
    const rows = epoch < 0 ? [] : await store.loadShards(jobId, epoch, schedule);
    folds.delete(epoch);
    if (rows.length === 0) return; // folded before
    const row = foldEpoch({ schedule, seed, shards: rows, epoch, firstStep: head!.firstStep });
    if ('problems' in row) log.error({ epoch, problems: row.problems.slice(0, 5) }, 'an epoch is not as planned; its rows are kept');
    else await store.foldEpoch(jobId, row, schedule);
  };

  /** A report that has waited long enough for those before it; they are entered as unknown. */
  const overdue = (): number | undefined => {
    if (waiting.size === 0 || head === undefined || waiting.has(head.step + 1)) {
      gapSinceMs = undefined;
      return undefined;
    }
    gapSinceMs ??= Date.now();
    return Date.now() - gapSinceMs >= gapMs ? head.step + 1 : undefined;
  };

  /** Does the next thing that is due; false when there is none. */
  const doNext = async (): Promise<boolean> => {
    if (hasForgotten) {
      await reconcile();
      return true;
    }
    const opening = openings[0];
    const next = head === undefined ? undefined : waiting.get(head.step + 1);
    if (next !== undefined && (opening === undefined || next.generation < opening.generation)) {
      await write(next);
      return true;
    }
    if (opening !== undefined) {
      await openNext(opening);
      return true;
    }
    const missing = overdue();
    if (missing !== undefined) {
      await write(unknownStep(head!.generation, missing));
      return true;
    }
    if (shardStep?.isDone === false && shards !== undefined && lastOpening !== undefined) {
      const wanted = shardStep;
      await shards.enqueueAround(wanted.step);
      wanted.isDone = true;
      return true;
    }
    if (run?.isSaved === false) {
      const saved = run;
      await store.saveRun(jobId, saved.record);
      saved.isSaved = true;
      return true;
    }
    if (job?.isSaved === false) {
      const saved = job;
      await store.saveJob(saved.record);
      saved.isSaved = true;
      return true;
    }
    for (const epoch of folds) {
      await fold(epoch);
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
        if (failure !== undefined) log.info({ step: head?.step }, 'bookkeeping goes on');
        failure = undefined;
        backOff.reset();
        if (!hasMore && !isAsked) {
          if (waiting.size === 0) break;
          await backOff.wait(gapMs - (Date.now() - (gapSinceMs ?? Date.now())) + 1);
        }
      } catch (error) {
        const since = new Date(callSinceMs ?? Date.now()).toISOString();
        callSinceMs = undefined;
        if (failure === undefined) log.warn({ error, steps: waiting.size }, 'bookkeeping waits');
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
    hasForgotten ||
    waiting.size > 0 ||
    openings.length > 0 ||
    folds.size > 0 ||
    isRemovalDue ||
    [job, run].some((record) => record?.isSaved === false) ||
    (shardStep?.isDone === false && lastOpening !== undefined);

  const stopWatching = store.onReturn(() => {
    hasForgotten = true;
    wake();
    backOff.cut();
  });
  hasForgotten = true; // reads the ledger that an earlier coordinator may have left
  wake();

  return {
    plan: (schedule) => {
      shards ??= openShards(jobId, schedule);
      wake();
    },
    openGeneration: (generation, step) => {
      scheduleOf();
      openings.push({ generation, step });
      shardStep = { step, isDone: false };
      wake();
    },
    commit: (step) => {
      if (head !== undefined && step.step <= head.step) return onAcknowledged(head.step);
      // Who did it first is entered, unless that came too late for its generation.
      const known = waiting.get(step.step);
      if (known === undefined || known.generation < (lastOpening?.generation ?? 0)) waiting.set(step.step, entryOf(step));
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
    saveRun: (record) => {
      run = { record, isSaved: false };
      wake();
    },
    removeShards: () => {
      isRemovalDue = true;
      wake();
    },
    get acknowledgedStep() {
      return head?.step ?? 0;
    },
    problem: () => {
      const isSlow = callSinceMs !== undefined && Date.now() - callSinceMs > SLOW_MS;
      const why = failure ?? (isSlow ? `since ${new Date(callSinceMs!).toISOString()}: Redis does not answer` : undefined);
      return why === undefined ? undefined : `${waiting.size} steps wait to be written to the ledger ${why}`;
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
      await shards?.close();
    },
  };
}
