import { MaestroError } from '../errors.ts';
import { printable } from '../printable.ts';

/** Default of `MAESTRO_FAILURE_TIMEOUT_MS`. */
export const DEFAULT_FAILURE_TIMEOUT_MS = 5000;

/** Below the minimum, pauses of an ordinary machine look like failures; above the maximum, a hang costs more than a manual restart. */
const LEAST_MS = 500;
const MOST_MS = 600_000;

/** Upper bounds that hold however slow the machines are. */
const LONGEST_RECONNECT_MS = 300;
const LONGEST_LEASE_MS = 9000;

/** All deadlines of failure detection, in milliseconds, in the order in which they must expire. */
export interface FailureTimeouts {
  /** Interval between heartbeats of a worker. */
  readonly heartbeatMs: number;
  /** Idle time after which members ping each other, and the deadline of the answer. Together below `silenceMs`. */
  readonly keepaliveTimeMs: number;
  readonly keepaliveTimeoutMs: number;
  /** Interval between a worker's attempts to reach its coordinator: several fit into `awayMs`. */
  readonly reconnectMs: number;
  /** Time in which a worker whose control stream broke may reconnect, unless a peer has lost it too. */
  readonly awayMs: number;
  /** Silence after which a worker counts as lost: the configured timeout itself. */
  readonly silenceMs: number;
  /** Duration of a coordinator's lease, for which a successor on another host waits, and the interval of its renewal. */
  readonly leaseMs: number;
  readonly leaseRenewMs: number;
  /** Time after which members that do not stop on request are evicted. */
  readonly holdMs: number;
  /**
   * Time after which steps that nobody has reported, while later ones are known, are given up: by then their holder has reconnected or is
   * lost.
   */
  readonly reportGapMs: number;
  /** Time that a recipe's own code may take for one sample before the job fails: sooner than its worker is evicted for it. */
  readonly sampleMs: number;
  /** Deadline for members to connect to each other. */
  readonly joinMs: number;
  /** Time after which a member that waits for nobody and makes no progress is evicted; ten times the mean step when that is longer. */
  readonly progressMs: number;
  /** The same before its first step, which compiles, allocates and reads cold data. */
  readonly firstProgressMs: number;
  /** Deadline for a worker to open a job's data and model, after which it no longer gets the job; large or remote data needs minutes. */
  readonly prepareMs: number;
}

/** Default of `MAESTRO_PREPARE_SECONDS`: deadline for opening a job. */
export const DEFAULT_PREPARE_SECONDS = 900;

/**
 * Derives every deadline from a failure timeout in milliseconds, a number or the text of the variable.
 * @throws MaestroError `invalid-argument` when it is outside 500..600,000 ms.
 */
export function failureTimeouts(given: number | string = DEFAULT_FAILURE_TIMEOUT_MS): FailureTimeouts {
  const failureTimeoutMs = Number(given);
  if (!Number.isInteger(failureTimeoutMs) || failureTimeoutMs < LEAST_MS || failureTimeoutMs > MOST_MS) {
    throw new MaestroError(
      'invalid-argument',
      `MAESTRO_FAILURE_TIMEOUT_MS: expected a whole number of milliseconds in ${LEAST_MS}..${MOST_MS}, found ${printable(String(given))}`,
    );
  }
  const share = (factor: number): number => Math.round(failureTimeoutMs * factor);
  return {
    heartbeatMs: share(0.1),
    keepaliveTimeMs: share(0.2),
    keepaliveTimeoutMs: share(0.6),
    reconnectMs: Math.min(share(0.06), LONGEST_RECONNECT_MS),
    awayMs: share(0.25),
    silenceMs: failureTimeoutMs,
    leaseMs: Math.min(share(0.6), LONGEST_LEASE_MS),
    leaseRenewMs: Math.min(share(0.2), LONGEST_LEASE_MS / 3),
    holdMs: share(2),
    reportGapMs: share(2),
    sampleMs: share(3),
    joinMs: share(4),
    progressMs: share(6),
    firstProgressMs: share(60),
    prepareMs: 1000 * DEFAULT_PREPARE_SECONDS,
  };
}
