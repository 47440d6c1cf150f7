import { positionsOfRank, type Schedule, stepsOfEpoch, windowOfStep } from '@maestro/data';
import { assertInternal } from '@maestro/protocol';
import type { Logger } from '@maestro/telemetry';
import { foldEpoch } from '../audit/auditEpoch.ts';
import { rankDigest } from '../run/step/plannedSamples.ts';
import { followsIn, joinEntries, type LedgerEntry, type LedgerHead, UNKNOWN_WORKER } from './ledger.ts';
import type { Store } from './store.ts';

/** A step that members report as applied. */
export type CommittedStep = Pick<LedgerEntry, 'generation' | 'step' | 'ranks' | 'content'>;

/** A generation, and the step that it starts from. */
export interface Opening {
  readonly generation: number;
  readonly step: number;
}

/**
 * Writes the steps of one job to its ledger, in order and each once; offered steps wait until {@link LedgerWriter.writeNext} writes them.
 */
export interface LedgerWriter {
  /** The ledger as far as known; `undefined` until it was read or opened. */
  readonly head: LedgerHead | undefined;
  /** The generation that was opened last. */
  readonly opened: Opening | undefined;
  /** Number of waiting steps. */
  readonly waiting: number;
  /** Remaining time for which the first waiting step waits for those before it, in milliseconds. */
  readonly patienceMs: number;
  plan(schedule: Schedule): void;
  offer(step: CommittedStep): void;
  open(opening: Opening): void;
  /** Redis was unreachable: check first for lost data. */
  recheck(): void;
  /** Returns true when there is something to write. */
  isDue(): boolean;
  /** Writes the next item; false when there is none. Throws the store's errors, and may then be called again. */
  writeNext(): Promise<boolean>;
}

/** Most steps that are written by one call of Redis, which does nothing else meanwhile. */
const MOST_AT_ONCE = 64;

/** Options of {@link createLedgerWriter}; see BookkeeperOptions. */
export interface LedgerWriterOptions {
  readonly store: Store;
  readonly jobId: string;
  readonly seed: number;
  readonly onAcknowledged: (step: number) => void;
  /** Called when a generation is open in the ledger, until it succeeds. */
  readonly onOpened: (opening: Opening) => Promise<void>;
  /** Called when the ledger has been repaired after an outage of Redis. */
  readonly onRepaired: () => Promise<void>;
  readonly log: Logger;
  readonly keptSteps: number;
  readonly gapMs: number;
}

/** Creates a ledger writer that has not read the ledger yet. */
export function createLedgerWriter({
  store,
  jobId,
  seed,
  onAcknowledged,
  onOpened,
  onRepaired,
  log,
  keptSteps,
  gapMs,
}: LedgerWriterOptions): LedgerWriter {
  let schedule: Schedule | undefined;
  let head: LedgerHead | undefined;
  const waiting = new Map<number, LedgerEntry>();
  const kept = new Map<number, LedgerEntry>();
  const openings: Opening[] = [];
  let lastOpening: Opening | undefined;
  const folds = new Set<number>();
  let hasForgotten = true; // an earlier coordinator may have left a ledger
  let gapSinceMs: number | undefined;

  const scheduleOf = (): Schedule => {
    assertInternal(schedule !== undefined, `the steps of ${jobId} are entered before they are planned`);
    return schedule;
  };

  const entryOf = ({ generation, step, ranks, content }: CommittedStep): LedgerEntry => {
    const { virtualRanks } = scheduleOf();
    assertInternal(ranks.length === virtualRanks, `${ranks.length} ranks reported of ${virtualRanks} of ${jobId}`);
    const { epoch, window } = windowOfStep(scheduleOf(), step - 1);
    return { jobId, generation, step, epoch, window, images: ranks.reduce((sum, { images }) => sum + images, 0), content, ranks };
  };

  /** Builds the entry of a step that nobody can report, from the schedule. */
  const unknownStep = (generation: number, step: number): LedgerEntry => {
    const plan = scheduleOf();
    const ranks = Array.from({ length: plan.virtualRanks }, (_, virtualRank) => ({
      worker: UNKNOWN_WORKER,
      images: positionsOfRank(plan, step - 1, virtualRank).count,
      digest: rankDigest({ schedule: plan, seed, step: step - 1, virtualRank }),
    }));
    return entryOf({ generation, step, ranks, content: 0 });
  };

  /** Records that the ledger has `step` steps. */
  const advance = (step: number): void => {
    head = { ...head!, step: Math.max(head!.step, step) };
    for (const each of waiting.keys()) if (each <= head.step) waiting.delete(each);
    gapSinceMs = undefined;
    onAcknowledged(head.step);
  };

  /** Writes steps that follow each other; see {@link joinEntries}. */
  const write = async (...entries: readonly LedgerEntry[]): Promise<void> => {
    const { step, epoch, generation } = entries.at(-1)!;
    const result = await store.commitStep(joinEntries(entries));
    if (result === 'gap') {
      hasForgotten = true;
      return;
    }
    for (const each of entries) waiting.delete(each.step);
    if (result === 'stale') {
      log.warn({ step, generation }, 'a report of an old generation is ignored');
      return;
    }
    for (const each of entries) {
      kept.set(each.step, each);
      kept.delete(each.step - keptSteps);
    }
    if (step === stepsOfEpoch(scheduleOf(), epoch).endStep) folds.add(epoch);
    advance(step);
  };

  /** Returns the waiting steps that can be written at once, from this one on: more than one only while Redis is behind. */
  const runFrom = (first: LedgerEntry): readonly LedgerEntry[] => {
    const entries = [first];
    for (let last = first; entries.length < MOST_AT_ONCE; ) {
      const next = waiting.get(last.step + 1);
      if (next === undefined || !followsIn(last, next)) break;
      entries.push(next);
      last = next;
    }
    return entries;
  };

  /** Commits every step up to `last`: as reported, otherwise as planned. */
  const enterUntil = async (last: number): Promise<void> => {
    let unknown = 0;
    while (head!.step < last && !hasForgotten) {
      const step = head!.step + 1;
      const reported = waiting.get(step);
      if (reported === undefined && unknown++ === 0) log.warn({ step, last }, 'steps that nobody reported are entered from the schedule');
      await write(reported ?? unknownStep(head!.generation, step));
    }
  };

  const openLedger = (opening: Opening): Promise<number> =>
    store.openGeneration({ jobId, ...opening, firstStep: head?.firstStep ?? opening.step, samples: scheduleOf().samples });

  const openNext = async (opening: Opening): Promise<void> => {
    if (head === undefined) {
      const step = await openLedger(opening);
      head = { generation: opening.generation, firstStep: opening.step, step };
    }
    await enterUntil(opening.step);
    if (hasForgotten) return;
    advance(await openLedger(opening));
    head = { ...head, generation: Math.max(head.generation, opening.generation) };
    lastOpening = opening;
    await onOpened(opening);
    folds.add(Math.floor(head.step / scheduleOf().stepsPerEpoch) - 1);
    openings.shift();
  };

  /** Replays what Redis has lost, and everything that is not in the ledger with it. */
  const reconcile = async (): Promise<void> => {
    hasForgotten = false;
    const found = await store.ledgerHead(jobId);
    if (head === undefined || lastOpening === undefined) {
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
      // The connection resends calls in flight when Redis went away: a generation may be opened again before the steps that came first.
      await write({ ...entry, generation: Math.max(entry.generation, reached) });
      if (hasForgotten) return;
    }
    if (!isOpened) await openLedger(lastOpening);
    advance(start);
    folds.add(Math.floor(head.step / scheduleOf().stepsPerEpoch) - 1);
    await onRepaired();
  };

  const fold = async (epoch: number): Promise<void> => {
    const plan = scheduleOf();
    const rows = epoch < 0 ? [] : await store.loadShards(jobId, epoch, plan);
    folds.delete(epoch);
    if (rows.length === 0) return; // already folded
    const row = foldEpoch({ schedule: plan, seed, shards: rows, epoch, firstStep: head!.firstStep });
    if ('problems' in row) log.error({ epoch, problems: row.problems.slice(0, 5) }, 'an epoch is not as planned; its rows are kept');
    else await store.foldEpoch(jobId, row, plan);
  };

  /** Returns the first waiting report once it has waited long enough for those before it. */
  const overdue = (): number | undefined => {
    if (waiting.size === 0 || head === undefined) return undefined;
    gapSinceMs ??= Date.now();
    return Date.now() - gapSinceMs >= gapMs ? Math.min(...waiting.keys()) : undefined;
  };

  return {
    get head() {
      return head;
    },
    get opened() {
      return lastOpening;
    },
    get waiting() {
      return waiting.size;
    },
    get patienceMs() {
      return Math.max(gapMs - (Date.now() - (gapSinceMs ?? Date.now())), 0);
    },
    plan: (planned) => {
      schedule ??= planned;
    },
    offer: (step) => {
      if (head !== undefined && step.step <= head.step) return onAcknowledged(head.step);
      // The first report wins, unless it came too late for its generation.
      const known = waiting.get(step.step);
      if (known === undefined || known.generation < (lastOpening?.generation ?? 0)) waiting.set(step.step, entryOf(step));
    },
    open: (opening) => {
      scheduleOf();
      openings.push(opening);
    },
    recheck: () => {
      hasForgotten = true;
    },
    isDue: () => hasForgotten || waiting.size > 0 || openings.length > 0 || folds.size > 0,
    writeNext: async () => {
      if (hasForgotten) {
        await reconcile();
        return true;
      }
      const opening = openings[0];
      const next = head === undefined ? undefined : waiting.get(head.step + 1);
      const late = opening === undefined && next === undefined ? overdue() : undefined;
      const [epoch] = folds;
      if (next !== undefined && (opening === undefined || next.generation < opening.generation)) await write(...runFrom(next));
      else if (opening !== undefined) await openNext(opening);
      else if (late !== undefined) await enterUntil(late);
      else if (epoch !== undefined) await fold(epoch);
      else return false;
      return true;
    },
  };
}
