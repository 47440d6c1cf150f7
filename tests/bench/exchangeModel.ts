import type { ReducePlan } from '@maestro/collective';

/** A network in which every host has one link like this. */
export interface LinkModel {
  /** What a host can send in a second, and receive. */
  readonly bytesPerSecond: number;
  /** From one host to another, one way. */
  readonly delaySeconds: number;
  /**
   * Whether TCP begins slowly again after each step's computing, as CUBIC does, and BBR, which remembers the rate, does not. Default true.
   */
  readonly startsSlowly?: boolean;
}

const FLOAT_BYTES = 4;
/** What TCP sends before the first acknowledgement: ten segments (RFC 6928) of 1448 bytes. */
const INITIAL_WINDOW = 14_480;
/** Receivers' flow control: no connection has more than this under way, see `session.ts` of the collective. */
const MOST_WINDOW = 4 * (2 ** 20 + 2 ** 16);

/** What a member sends in one all-reduce: its partial sums of the others' chunks, and the sum of its own chunk to each of them. */
export function sentBytes({ members, partials, chunks, allGather }: ReducePlan, member: number): number {
  const others = chunks.filter((_, owner) => owner !== member).reduce((sum, { length }) => sum + length, 0);
  const own = partials.filter((partial) => partial.member === member).length;
  const gathered = chunks[member]!.length * (members.length - 1) * (allGather === 'bf16' ? 0.5 : 1);
  return FLOAT_BYTES * (own * others + gathered);
}

/** What a member receives in one all-reduce: everybody's partial sums of its chunk, and the sums of theirs. */
export function receivedBytes({ partials, chunks, allGather }: ReducePlan, member: number): number {
  const others = partials.filter((partial) => partial.member !== member).length;
  const gathered = chunks.filter((_, owner) => owner !== member).reduce((sum, { length }) => sum + length, 0);
  return FLOAT_BYTES * (others * chunks[member]!.length + gathered * (allGather === 'bf16' ? 0.5 : 1));
}

/**
 * How long the network takes for one all-reduce by a plan, in seconds, with all members ready at once and processors that are no limit.
 *
 * Alpha-beta: two deliveries one after the other, that of the last partial sum to its owner and that of the sum; and the bytes of whoever
 * sends or receives most, at the rate of its link. The sums follow the partials piece by piece, so both share the link and do not wait for
 * each other. Each pair of members has a connection of its own, with a share of the link and a window of its own.
 */
export function allReduceSeconds(plan: ReducePlan, link: LinkModel): number {
  const peers = plan.members.length - 1;
  if (peers === 0) return 0;
  const most = Math.max(...plan.members.flatMap((_, member) => [sentBytes(plan, member), receivedBytes(plan, member)]));
  return 2 * link.delaySeconds + connectionSeconds(most / peers, { ...link, bytesPerSecond: link.bytesPerSecond / peers });
}

/** How long a connection takes to hand so many bytes to its link: at the link's rate, after windows that double where it begins slowly. */
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

/** What a step of a job is made of, beside the network. */
export interface StepModel {
  /** A step's computing, with everything else that a worker does. */
  readonly computeSeconds: number;
  /** Where replicas train apart: inner steps of a round. Members exchange scalars in each and deltas in the last. */
  readonly innerSteps?: number;
}

/** The mean time of a step, in seconds. `plan` is that of the gradients, or of the replicas' deltas. */
export function stepSeconds(plan: ReducePlan, link: LinkModel, { computeSeconds, innerSteps }: StepModel): number {
  if (innerSteps === undefined) return computeSeconds + allReduceSeconds(plan, link);
  const scalars = plan.members.length === 1 ? 0 : 2 * link.delaySeconds;
  return computeSeconds + scalars + allReduceSeconds(plan, link) / innerSteps;
}
