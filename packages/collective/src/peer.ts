import { type Lane, planLane } from './lane.ts';
import type { ReducePlan } from './plan.ts';

/** What a step still waits for. */
export interface Waiting {
  readonly member: string;
  /** `send`: this member has not yet put everything on its stream. */
  readonly phase: 'reduce-scatter' | 'all-gather' | 'send';
  /** Messages. */
  readonly done: number;
  readonly due: number;
}

/** How far the exchange with one peer is. Rounds count the steps of a view from 1 on. */
export interface Peer {
  /** Index in the view, and id. */
  readonly index: number;
  readonly id: string;
  readonly inbound: Lane;
  readonly outbound: Lane;
  /** The round that its messages are in, the step that they name, and how much of that round has arrived. */
  round: number;
  step: number;
  partialsReceived: number;
  reducedReceived: number;
  /** How much of this member's round has been sent to it. */
  areScalarsSent: boolean;
  partialsSent: number;
  reducedSent: number;
  /** Whether a message is on its way to the stream: its memory is in use, and there is no room for a further one. */
  isSending: boolean;
  /** Whether it has a message that was not taken. */
  isHeld: boolean;
  /** Why no more comes from it or reaches it. */
  gone: string | undefined;
}

/** The exchange between member `self` and member `index`, before its first step. */
export function openPeer(plan: ReducePlan, self: number, index: number): Peer {
  return {
    index,
    id: plan.members[index]!.id,
    inbound: planLane(plan, index, self),
    outbound: planLane(plan, self, index),
    round: 0,
    step: 0,
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

/** Whether everything that the peer is due in this member's round is on its stream, and no memory in use for it. */
export function hasSent({ isSending, areScalarsSent, reducedSent, partialsSent, outbound }: Peer): boolean {
  return !isSending && areScalarsSent && reducedSent === outbound.reducedDue && partialsSent === outbound.partialsDue;
}

/** Whether everything that is due from the peer in `of` has arrived. */
export function hasReceived({ round, partialsReceived, reducedReceived, inbound }: Peer, of: number): boolean {
  return round > of || (round === of && partialsReceived === inbound.partialsDue && reducedReceived === inbound.reducedDue);
}

/** What `round` still waits for from or towards the peer; undefined when nothing. */
export function waitingFor(peer: Peer, round: number): Waiting | undefined {
  const { id: member, inbound, outbound } = peer;
  if (!hasReceived(peer, round)) {
    const [partials, reduced] = peer.round < round ? [0, 0] : [peer.partialsReceived, peer.reducedReceived];
    return partials < inbound.partialsDue
      ? { member, phase: 'reduce-scatter', done: partials, due: inbound.partialsDue }
      : { member, phase: 'all-gather', done: reduced, due: inbound.reducedDue };
  }
  const due = outbound.partialsDue + outbound.reducedDue;
  return hasSent(peer) ? undefined : { member, phase: 'send', done: peer.partialsSent + peer.reducedSent, due };
}
