import { MaestroError } from '../errors.ts';
import { printable } from '../printable.ts';

/** What a cluster uses unless `MAESTRO_FAILURE_TIMEOUT_MS` says otherwise. */
export const DEFAULT_FAILURE_TIMEOUT_MS = 5000;

/** Below this, pauses of an ordinary machine look like failures; above, a hang costs more than a restart by hand. */
const LEAST_MS = 500;
const MOST_MS = 600_000;

/** Nobody needs to wait longer for these, however slow the machines are. */
const LONGEST_RECONNECT_MS = 300;
const LONGEST_LEASE_MS = 9000;

/** All deadlines of failure detection, in milliseconds, in the order in which they must fall. */
export interface FailureTimeouts {
  /** Between two signs of life of a worker. */
  readonly heartbeatMs: number;
  /** Quiet time after which members ask each other for a sign of life, and time in which it must come. Together below `silenceMs`. */
  readonly keepaliveTimeMs: number;
  readonly keepaliveTimeoutMs: number;
  /** Between two attempts of a worker to find its coordinator: several fit into `awayMs`. */
  readonly reconnectMs: number;
  /** How long a worker whose control stream broke may take to come back, unless a peer has lost it too. */
  readonly awayMs: number;
  /** A worker from which nothing is heard for so long is lost: the knob itself. */
  readonly silenceMs: number;
  /** So long a coordinator's lease lasts, and a next one on another host waits, unless it is renewed this often. */
  readonly leaseMs: number;
  readonly leaseRenewMs: number;
  /** Members that were told to stop, and do not, are evicted after this. */
  readonly holdMs: number;
  /**
   * Steps that nobody has reported for so long while later ones are known are given up: whoever had them has come back by then, or is lost.
   */
  readonly reportGapMs: number;
  /** How long members may take to connect to each other. */
  readonly joinMs: number;
  /** A member that waits for nobody and does not move for so long is evicted; ten times the mean step when that is longer. */
  readonly progressMs: number;
  /** The same before its first step, which compiles, allocates and reads cold data. */
  readonly firstProgressMs: number;
  /** A worker that has not opened a job's data and model for so long does not get it any more; what is large or far away needs minutes. */
  readonly prepareMs: number;
}

/** What opening a job may take unless `MAESTRO_PREPARE_SECONDS` says otherwise. */
export const DEFAULT_PREPARE_SECONDS = 900;

/**
 * Every deadline that follows from a failure timeout in milliseconds, a number or the text of the variable.
 * @throws MaestroError `invalid-argument` when it lies outside 500..600,000 ms.
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
    joinMs: share(4),
    progressMs: share(6),
    firstProgressMs: share(60),
    prepareMs: 1000 * DEFAULT_PREPARE_SECONDS,
  };
}
