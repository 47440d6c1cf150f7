import type { RoundTimes } from '@maestro/collective';
import type { Heartbeat, StepCommitted, StepTimes, View } from '@maestro/protocol';
import type { WorkerMetrics } from '../process/workerMetrics.ts';
import type { Phase } from '../step/phase.ts';
import type { ViewTraffic } from '../view/viewTraffic.ts';
import { openStepClock } from './stepClock.ts';
import { openStepTimesReport } from './stepTimesReport.ts';

/** Weight of the newest step in the mean compute time of a virtual rank. */
const RANK_WEIGHT = 0.3;

/** A member's current activity, for heartbeats, step times and metrics. */
export interface MemberActivity {
  readonly phase: Phase;
  /** Index of its current step. */
  readonly step: number;
  /** Begins a phase. */
  enter(step: number, phase: Phase): void;
  /** Sets what it waits for besides its peers; empty for nothing. */
  waitFor(reason: string): void;
  /** Begins a view. */
  begin(view: View): void;
  /** Records that it is connected to the peers of the view. */
  join(traffic: ViewTraffic): void;
  /** Returns the bytes sent in the view so far, by what was summed; undefined before it was joined. */
  sentBytes(): Readonly<Record<string, number>> | undefined;
  /** Records the times of a round with the peers. */
  round(times: RoundTimes): void;
  /** Records an applied step, in which a virtual rank took `rankSeconds` to compute. */
  applied(report: StepCommitted, rankSeconds: number): void;
  /** Ends the view: `enter` comes next. */
  end(): void;
  /** Sends the pending step times. */
  flush(): void;
  heartbeat(): Omit<Heartbeat, 'jobId' | 'generation'>;
}

/** Options of {@link openMemberActivity}. */
export interface MemberActivityOptions {
  /** This worker's id. */
  readonly self: string;
  readonly metrics: Pick<WorkerMetrics, 'step' | 'traffic' | 'unacknowledged'>;
  readonly sendTimes: (steps: readonly StepTimes[]) => void;
  /** Returns the number of reports that the ledger does not have yet. */
  readonly unacknowledged: () => number;
  /** Returns milliseconds since any fixed time. */
  readonly now?: () => number;
}

/** Opens the activity of a preparing member. */
export function openMemberActivity({
  self,
  metrics,
  sendTimes,
  unacknowledged,
  now = () => performance.now(),
}: MemberActivityOptions): MemberActivity {
  let at: { step: number; phase: Phase; sinceMs: number } = { step: 0, phase: 'preparing', sinceMs: now() };
  let waitingFor = '';
  let rankSeconds = 0;
  let view: View | undefined;
  let traffic: ViewTraffic | undefined;
  /** Images of this member in the current step, and bytes of the view already counted. */
  let images = 0;
  let counted = { sent: 0, received: 0 };
  const timesReport = openStepTimesReport({ send: sendTimes });
  const clock = openStepClock({
    onStep: (times) => {
      timesReport.add(times);
      metrics.step(times, images);
      metrics.unacknowledged(unacknowledged());
    },
  });
  const countTraffic = (): void => {
    const bytes = traffic?.bytes();
    if (bytes === undefined) return;
    metrics.traffic({ sent: bytes.sent - counted.sent, received: bytes.received - counted.received });
    counted = bytes;
  };

  return {
    get phase() {
      return at.phase;
    },
    get step() {
      return at.step;
    },
    enter(step, phase) {
      clock.enter(phase);
      at = { step, phase, sinceMs: now() };
    },
    waitFor(reason) {
      waitingFor = reason;
    },
    begin(next) {
      view = next;
      traffic = undefined;
      counted = { sent: 0, received: 0 };
    },
    join(joined) {
      traffic = joined;
    },
    sentBytes: () => traffic?.sentBytes(),
    round: clock.round,
    applied(report, seconds) {
      rankSeconds = rankSeconds === 0 ? seconds : rankSeconds * (1 - RANK_WEIGHT) + seconds * RANK_WEIGHT;
      const { firstRank, ranks } = view!.members.find(({ id }) => id === self)!;
      images = report.ranks.slice(firstRank, firstRank + ranks).reduce((sum, share) => sum + share.images, 0);
      clock.applied(report.step);
      countTraffic();
    },
    end() {
      waitingFor = '';
      countTraffic();
      traffic = undefined;
    },
    flush: timesReport.flush,
    heartbeat() {
      const { step, phase, sinceMs } = at;
      const nameOf = (id: string): string => view?.members.find((member) => member.id === id)?.name ?? id;
      const peers = (traffic?.waiting() ?? []).map(({ member, phase: of }) => `${nameOf(member)} at ${of}`);
      return { step, phase, phaseSeconds: (now() - sinceMs) / 1000, waitingFor: peers.join(', ') || waitingFor, rankSeconds };
    },
  };
}
