import { setTimeout as delay } from 'node:timers/promises';
import { isTerminal } from '@maestro/protocol';
import type { ChaosTarget } from './chaosTarget.ts';
import type { JobRecord } from './recordJob.ts';
import { type ChaosEvent, QUIET_MS } from './schedule.ts';
import { goodput, percentile, recoveryMs } from './timeline.ts';

/** Outcome of an event. */
export interface ChaosOutcome {
  readonly event: ChaosEvent;
  /** Reason why it was not performed; undefined when it was. */
  readonly skipped: string | undefined;
  /** Time from the event until the job continued; undefined when it has not. */
  readonly recoveryMs: number | undefined;
}

/** Summary of a chaos run. */
export interface ChaosSummary {
  /** Number of performed events, by kind. */
  readonly done: Readonly<Record<string, number>>;
  readonly skipped: number;
  /** Number of events after which no step was committed. */
  readonly unrecovered: number;
  readonly recoveryMsP50: number | undefined;
  readonly recoveryMsMax: number | undefined;
  /** Share of the time spent on steps that lasted. */
  readonly goodput: number | undefined;
  readonly generations: number;
}

/** Options of {@link runChaos}. */
export interface ChaosRun {
  readonly events: readonly ChaosEvent[];
  readonly target: ChaosTarget;
  readonly record: JobRecord;
  /** Maximum standstill of the job after an event. */
  readonly patienceMs: number;
  readonly signal: AbortSignal;
  readonly onEvent: (event: ChaosEvent, skipped: string | undefined) => void;
  readonly onOutcome: (outcome: ChaosOutcome) => void;
}

const POLL_MS = 50;

interface Pending {
  readonly event: ChaosEvent;
  readonly atMs: number;
  /** Standstills that begin later do not belong to this event. */
  readonly untilMs: number;
}

/**
 * Performs the events at their times, and measures how long the job took to continue after each. Ends early when the job ends or the signal
 * aborts.
 */
export async function runChaos({ events, target, record, patienceMs, signal, onEvent, onOutcome }: ChaosRun): Promise<ChaosOutcome[]> {
  const startMs = Date.now();
  const outcomes: ChaosOutcome[] = [];
  let pending: Pending[] = [];
  let next = 0;

  const settle = (isEnd: boolean): void => {
    const nowMs = Date.now();
    pending = pending.filter(({ event, atMs, untilMs }) => {
      const recovery = nowMs < untilMs && !isEnd ? undefined : recoveryMs(record.timeline, { atMs, untilMs });
      if (recovery === undefined && nowMs < atMs + patienceMs && !isEnd) return true;
      outcomes.push({ event, skipped: undefined, recoveryMs: recovery });
      onOutcome(outcomes.at(-1)!);
      return false;
    });
  };

  while (next < events.length || pending.length > 0) {
    if (signal.aborted || (record.job !== undefined && isTerminal(record.job.state))) break;
    const event = events[next];
    if (event !== undefined && Date.now() >= startMs + event.atMs) {
      next++;
      const atMs = Date.now();
      const skipped = await target.act(event);
      onEvent(event, skipped);
      const following = events[next];
      if (skipped === undefined)
        pending.push({ event, atMs, untilMs: following === undefined ? atMs + QUIET_MS : startMs + following.atMs });
      else outcomes.push({ event, skipped, recoveryMs: undefined });
    }
    settle(false);
    await delay(POLL_MS);
  }
  settle(true);
  return outcomes.sort((a, b) => a.event.atMs - b.event.atMs);
}

/** Summarises a run. */
export function summarise(outcomes: readonly ChaosOutcome[], { timeline }: Pick<JobRecord, 'timeline'>): ChaosSummary {
  const happened = outcomes.filter(({ skipped }) => skipped === undefined);
  const done: Record<string, number> = {};
  for (const { event } of happened) {
    const kind = event.kind === 'restart' ? `restart ${event.process}` : event.kind;
    done[kind] = (done[kind] ?? 0) + 1;
  }
  const recoveries = happened.flatMap((outcome) => outcome.recoveryMs ?? []);
  return {
    done,
    skipped: outcomes.length - happened.length,
    recoveryMsP50: percentile(recoveries, 0.5),
    recoveryMsMax: percentile(recoveries, 1),
    unrecovered: happened.filter((outcome) => outcome.recoveryMs === undefined).length,
    goodput: goodput(timeline),
    generations: new Set(timeline.map(({ generation }) => generation)).size,
  };
}
