import type { Job } from '@maestro/protocol';
import type { Bookkeeper } from '../books/bookkeeper.ts';
import type { Clock } from '../run/clock.ts';
import type { JobRun } from '../run/state/runState.ts';
import type { World } from './world.ts';

/** What Redis holds of the job. */
export interface Stored {
  job: Job;
  run: JobRun;
  /** Steps that the ledger has. */
  ledger: number;
  /** Steps that it has though nobody reported them. */
  unknown: number;
  /** The outcome that somebody was told. */
  outcome: string | undefined;
  /** Whoever cancelled it was told that it is. */
  isCancelTold: boolean;
}

/** The books of one coordinator process: what `bookkeeper.ts` promises, with a Redis that takes its time, is away, or forgets. */
export interface BooksModel extends Bookkeeper {
  /** Redis has forgotten its last second: what this process knows is written again. */
  rewrite(): void;
}

/** Redis counts as away after so many milliseconds. */
const AWAY_MS = 1000;
/** Between two attempts. */
const RETRY_MS = 100;

/** Opens books on what Redis holds; `clock` is the process's, and stands still when it dies. */
export function openBooksModel(
  world: World,
  stored: Stored,
  { clock, onAcknowledged }: { readonly clock: Clock; readonly onAcknowledged: (step: number) => void },
): BooksModel {
  const { dice, timeouts, violate } = world;
  let { ledger, run, job } = stored;
  let savers: (() => void)[] = [];
  let isSaveDue = false;
  let lastUpMs = clock.nowMs;
  let gapSinceMs: number | undefined;
  const offered = new Set<number>();

  const write = (): void => {
    if (!world.isRedisUp) return void clock.after(RETRY_MS, write);
    isSaveDue = false;
    stored.run = run;
    stored.job = job;
    const told = savers;
    savers = [];
    // Nobody is told before it is written.
    if (run.phase === 'ended') {
      const { state } = run.outcome!;
      if (stored.outcome !== undefined && stored.outcome !== state) violate(`the job was ${stored.outcome} and is ${state}`);
      stored.outcome = state;
    }
    for (const tell of told) tell();
  };
  const save = (): void => {
    if (isSaveDue) return;
    isSaveDue = true;
    clock.after(dice.chance(0.1) ? dice.between(20, 300) : dice.between(1, 10), write);
  };
  const enter = (): void => {
    if (!world.isRedisUp) return void clock.after(RETRY_MS, enter);
    while (offered.delete(ledger + 1)) ledger++;
    stored.ledger = Math.max(stored.ledger, ledger);
    for (const step of offered) if (step <= ledger) offered.delete(step);
    onAcknowledged(ledger);
    const before = gapSinceMs;
    gapSinceMs = offered.size === 0 ? undefined : (before ?? clock.nowMs);
    if (before === undefined && gapSinceMs !== undefined) waitForGap(gapSinceMs);
  };
  /** Nobody has a report any more that others have waited for so long. */
  const waitForGap = (sinceMs: number): void =>
    void clock.after(timeouts.reportGapMs + 1, () => {
      if (gapSinceMs === sinceMs) enterUntil(Math.min(...offered));
    });
  /** The ledger goes on to `last`, with steps that nobody reported if it must. */
  const enterUntil = (last: number): void => {
    while (ledger < last) {
      if (!offered.delete(ledger + 1)) stored.unknown++;
      ledger++;
    }
    gapSinceMs = undefined;
    enter();
  };

  return {
    plan: () => undefined,
    enqueueAround: () => undefined,
    removeShards: () => undefined,
    openGeneration: (_, step) => void clock.after(dice.between(1, 30), () => enterUntil(step)),
    commit({ step }) {
      if (step > ledger) offered.add(step);
      clock.after(dice.between(1, 30), enter);
    },
    saveJob(next) {
      job = next;
      save();
    },
    saveRun(next, onSaved) {
      run = next as JobRun;
      if (onSaved !== undefined) savers.push(onSaved);
      save();
    },
    get acknowledgedStep() {
      return ledger;
    },
    problem() {
      if (world.isRedisUp) lastUpMs = clock.nowMs;
      return clock.nowMs - lastUpMs > AWAY_MS ? 'Redis does not answer' : undefined;
    },
    // The end of a process is a crash here, and nobody waits for a job's last record.
    drain: () => new Promise(() => undefined),
    close: () => Promise.resolve(),
    rewrite() {
      save();
      clock.after(dice.between(1, 50), () => {
        stored.ledger = Math.max(stored.ledger, ledger);
      });
    },
  };
}
