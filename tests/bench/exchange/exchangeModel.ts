import type { ReducePlan } from '@maestro/collective';

/** A network in which every host has one such link. */
export interface LinkModel {
  /** Rate at which a host can send, and receive. */
  readonly bytesPerSecond: number;
  /** One-way delay from one host to another. */
  readonly delaySeconds: number;
  /** True when TCP restarts slowly after each step's compute, as CUBIC does; BBR remembers the rate and does not. Default true. */
  readonly startsSlowly?: boolean;
}

const FLOAT_BYTES = 4;
/** Bytes that TCP sends before the first acknowledgement: ten segments (RFC 6928) of 1448 bytes. */
const INITIAL_WINDOW = 14_480;
/** Receivers' flow control: the maximum in flight per connection, see `session.ts` of the collective. */
const MOST_WINDOW = 4 * (2 ** 20 + 2 ** 16);

/**
 * Returns the bytes that a member sends in one all-reduce: its partial sums of the others' chunks, and the sum of its own chunk to each of
 * them.
 */
export function sentBytes({ members, partials, chunks, allGather }: ReducePlan, member: number): number {
  const others = chunks.filter((_, owner) => owner !== member).reduce((sum, { length }) => sum + length, 0);
  const own = partials.filter((partial) => partial.member === member).length;
  const gathered = chunks[member]!.length * (members.length - 1) * (allGather === 'bf16' ? 0.5 : 1);
  return FLOAT_BYTES * (own * others + gathered);
}

/** Returns the bytes that a member receives in one all-reduce: everybody's partial sums of its chunk, and the sums of theirs. */
export function receivedBytes({ partials, chunks, allGather }: ReducePlan, member: number): number {
  const others = partials.filter((partial) => partial.member !== member).length;
  const gathered = chunks.filter((_, owner) => owner !== member).reduce((sum, { length }) => sum + length, 0);
  return FLOAT_BYTES * (others * chunks[member]!.length + gathered * (allGather === 'bf16' ? 0.5 : 1));
}

/**
 * Models the network time of one all-reduce by a plan, in seconds, with all members ready at once and unlimited processors.
 *
 * Alpha-beta: two successive deliveries, that of the last partial sum to its owner and that of the sum; and the bytes of the member that
 * sends or receives most, at the rate of its link. The sums follow the partials piece by piece, so both share the link and do not wait for
 * each other. Each pair of members has its own connection, with a share of the link and its own window.
 */
export function allReduceSeconds(plan: ReducePlan, link: LinkModel): number {
  const peers = plan.members.length - 1;
  if (peers === 0) return 0;
  const most = Math.max(...plan.members.flatMap((_, member) => [sentBytes(plan, member), receivedBytes(plan, member)]));
  return 2 * link.delaySeconds + connectionSeconds(most / peers, { ...link, bytesPerSecond: link.bytesPerSecond / peers });
}

/** Returns the time for a connection to pass these bytes to its link: at the link's rate, after doubling windows when it starts slowly. */
export function connectionSeconds(bytes: number, { bytesPerSecond, delaySeconds, startsSlowly = true }: LinkModel): number {
  const roundTrip = 2 * delaySeconds;
  const most = roundTrip === 0 ? bytesPerSecond : Math.min(bytesPerSecond, MOST_WINDOW / roundTrip);
  let seconds = 0;
  let left = bytes;
  for (let window = INITIAL_WINDOW; startsSlowly && window < most * roundTrip && left > window; window *= 2) {
    seconds += roundTrip;
    left -= window;
  }
  return seconds + left / most;
}

/** A part of the gradient that is sent while the rest is computed, in the order in which they are complete. */
export interface StageModel {
  /** Its share of the gradient. */
  readonly share: number;
  /** The share of the computing after which it is complete. */
  readonly ready: number;
}

/** Parts of a job's step besides the network. */
export interface StepModel {
  /** Default: all of the gradient, when everything is computed. */
  readonly stages?: readonly StageModel[];
  /** Compute time of a step, including all other work of a worker. */
  readonly computeSeconds: number;
  /** When replicas train apart: inner steps of a round. Members exchange scalars in each and deltas in the last. */
  readonly innerSteps?: number;
}

/** Returns the mean time of a step, in seconds. `plan` is that of the gradients, or of the replicas' deltas. */
export function stepSeconds(
  plan: ReducePlan,
  link: LinkModel,
  { computeSeconds, innerSteps, stages = [{ share: 1, ready: 1 }] }: StepModel,
): number {
  if (innerSteps === undefined) {
    const seconds = allReduceSeconds(plan, link);
    // A stage has the link when it is complete and the stages before it are through.
    return stages.reduce((end, { share, ready }) => Math.max(end, ready * computeSeconds) + share * seconds, 0);
  }
  const scalars = plan.members.length === 1 ? 0 : 2 * link.delaySeconds;
  return computeSeconds + scalars + allReduceSeconds(plan, link) / innerSteps;
}
