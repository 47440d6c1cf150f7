import type { ReducePlan } from '../plan/plan.ts';
import { type Lane, planLane } from './lane.ts';
import { partialsDue, type Round, reducedDue } from './round.ts';

/** A peer and phase that a step still waits for. */
export interface Waiting {
  readonly member: string;
  /** `send`: this member has not yet put everything on its stream. */
  readonly phase: 'reduce-scatter' | 'all-gather' | 'send';
  /** Messages done and due. */
  readonly done: number;
  readonly due: number;
}

/** Progress of the exchange with one peer. Rounds count from 1 in each view. */
export interface Peer {
  /** Index of this member in the view; index and id of the peer. */
  readonly self: number;
  readonly index: number;
  readonly id: string;
  readonly inbound: Lane;
  readonly outbound: Lane;
  /** The round that the peer's messages belong to, its kind, the step they name, and how much of that round has arrived. */
  round: number;
  kind: Round;
  /** Number of the peer's rounds that reduced something, this one included. */
  reductions: number;
  step: number;
  /** Time at which the peer opened that round. */
  arrivedMs: number;
  partialsReceived: number;
  reducedReceived: number;
  /** Progress of sending this member's round to the peer. */
  areScalarsSent: boolean;
  partialsSent: number;
  reducedSent: number;
  /** True while a message is being written: its memory is in use, and there is no room for another. */
  isSending: boolean;
  /** True when a message of the peer was not accepted yet. */
  isHeld: boolean;
  /** Reason why the connection with the peer has ended. */
  gone: string | undefined;
}

/** Returns the state of the exchange between members `self` and `index` before its first step. */
export function openPeer(plan: ReducePlan, self: number, index: number): Peer {
  return {
    self,
    index,
    id: plan.members[index]!.id,
    inbound: planLane(plan, index, self),
    outbound: planLane(plan, self, index),
    round: 0,
    kind: { op: 'allReduce' },
    reductions: 0,
    step: 0,
    arrivedMs: 0,
    partialsReceived: 0,
    reducedReceived: 0,
    areScalarsSent: false,
    partialsSent: 0,
    reducedSent: 0,
    isSending: false,
    isHeld: false,
    gone: undefined,
  };
}

/** True when everything due to the peer in this member's round `kind` is on its stream, and none of its memory is in use. */
export function hasSent({ isSending, areScalarsSent, reducedSent, partialsSent, outbound, index }: Peer, kind: Round): boolean {
  const isAllSent = reducedSent === reducedDue(outbound, kind, index) && partialsSent === partialsDue(outbound, kind);
  return !isSending && areScalarsSent && isAllSent;
}

/** True when everything due from the peer in round `of` has arrived. */
export function hasReceived({ round, kind, partialsReceived, reducedReceived, inbound, self }: Peer, of: number): boolean {
  if (round !== of) return round > of;
  return partialsReceived === partialsDue(inbound, kind) && reducedReceived === reducedDue(inbound, kind, self);
}

/** Returns what round `round` of this member, of kind `kind`, still waits for from or towards the peer; undefined when nothing. */
export function waitingFor(peer: Peer, round: number, kind: Round): Waiting | undefined {
  const { id: member, inbound, outbound, self, index } = peer;
  if (!hasReceived(peer, round)) {
    const [partials, reduced] = peer.round < round ? [0, 0] : [peer.partialsReceived, peer.reducedReceived];
    return partials < partialsDue(inbound, kind)
      ? { member, phase: 'reduce-scatter', done: partials, due: partialsDue(inbound, kind) }
      : { member, phase: 'all-gather', done: reduced, due: reducedDue(inbound, kind, self) };
  }
  const due = partialsDue(outbound, kind) + reducedDue(outbound, kind, index);
  return hasSent(peer, kind) ? undefined : { member, phase: 'send', done: peer.partialsSent + peer.reducedSent, due };
}
