import { MaestroError, type View } from '@maestro/protocol';
import { isCut, type ModelState, type World } from './world.ts';

/** A member's place in the group of one view. */
export interface Seat {
  readonly view: View;
  readonly id: string;
  readonly name: string;
  isJoined: boolean;
  isOpen: boolean;
  /** The step that it has given its gradients to, and its wish to hold after it. */
  gave: { readonly step: number; readonly wantsHold: boolean } | undefined;
  /** Whether a step is complete of which it has not heard yet. */
  isDue: boolean;
  /** Why its group is over, which shows at its next step. */
  failed: MaestroError | undefined;
  /** Whether the process runs. */
  readonly isAwake: () => boolean;
  readonly state: () => ModelState;
  readonly onJoined: () => void;
  readonly onReduced: (step: number, isHeld: boolean) => void;
  readonly onFailed: (failure: MaestroError) => void;
}

/** The gradients' way between members: all of a view complete a step, or some of them, or none. */
export interface Peers {
  join(seat: Seat): void;
  /** Gives this member's part of a step. */
  give(seat: Seat, step: number, wantsHold: boolean): void;
  /** The member leaves the view's group: its streams end, or `failure` is told to the others first. */
  leave(seat: Seat, failure?: MaestroError): void;
  /** The member's stream to a peer broke. */
  broken(seat: Seat, peer: { readonly id: string }): void;
  /** A process is gone, or has not answered for too long: its peers notice. */
  lost(id: string): void;
  seatOf(generation: number, id: string): Seat | undefined;
  /** Looks again at what waited: a process goes on, or a cable is back. */
  retry(): void;
}

/** As a member's group puts it. */
function peerLost(id: string, how: string): MaestroError {
  return new MaestroError('peer-lost', `lost ${id}: ${how}`, { details: { member: id } });
}

/** Opens the network between workers. */
export function createPeers(world: World): Peers {
  const { clock, dice, violate } = world;
  const groups = new Map<number, Seat[]>();
  const open = (generation: number): Seat[] => (groups.get(generation) ?? []).filter(({ isOpen }) => isOpen);
  const isWhole = (seats: readonly Seat[], { members }: View): boolean =>
    seats.length === members.length && seats.every((a) => a.isAwake() && seats.every((b) => a === b || !isCut(world, a.name, b.name)));

  const tryJoin = (generation: number): void => {
    const seats = open(generation);
    if (seats.length === 0 || seats.every(({ isJoined }) => isJoined) || !isWhole(seats, seats[0]!.view)) return;
    for (const seat of seats) {
      if (seat.isJoined) continue;
      seat.isJoined = true;
      clock.after(dice.between(1, 40), () => {
        if (seat.isOpen) seat.onJoined();
      });
    }
  };
  const tryReduce = (generation: number): void => {
    const seats = open(generation);
    const step = seats[0]?.gave?.step;
    if (step === undefined || !isWhole(seats, seats[0]!.view) || !seats.every(({ gave }) => gave?.step === step)) return;
    const { members } = seats[0]!.view;
    let rank = 0;
    for (const { firstRank, ranks } of members) {
      if (firstRank !== rank) violate(`view ${generation}: virtual rank ${rank} has two owners or none`);
      rank += ranks;
    }
    if (rank !== world.spec.resources.virtualRanks) violate(`view ${generation}: ${rank} virtual ranks are owned`);
    const [first] = seats;
    for (const seat of seats) {
      const { step: at, lineage } = seat.state();
      if (at !== step || lineage !== first!.state().lineage)
        violate(
          `view ${generation}: ${seat.id} gives to step ${step} from state ${at}/${lineage}, ${first!.id} from ${first!.state().lineage}`,
        );
    }
    const isHeld = seats.some(({ gave }) => gave!.wantsHold);
    for (const seat of seats) {
      seat.gave = undefined;
      seat.isDue = true;
      clock.after(dice.between(1, 40), () => {
        if (!seat.isDue) return;
        seat.isDue = false;
        if (seat.isOpen) seat.onReduced(step, isHeld);
      });
    }
  };
  /** One that left may have sent its part of the step before. */
  const fail = (seat: Seat, failure: MaestroError, delayMs: number, isLeft = false): void =>
    clock.after(delayMs, () => {
      if (!seat.isOpen || (seat.isDue && isLeft)) return;
      seat.failed ??= failure;
      if (seat.gave === undefined && !seat.isDue) return;
      seat.isDue = false;
      seat.onFailed(seat.failed);
    });

  return {
    join(seat) {
      const { generation } = seat.view;
      groups.set(generation, [...(groups.get(generation) ?? []).filter(({ id }) => id !== seat.id), seat]);
      tryJoin(generation);
      clock.after(world.timeouts.joinMs, () => {
        if (!seat.isOpen || seat.isJoined) return;
        const there = open(generation);
        const missing = seat.view.members.filter(
          ({ id, name }) => id !== seat.id && (isCut(world, name, seat.name) || !there.some((other) => other.id === id && other.isAwake())),
        );
        const members = missing.map(({ id }) => id);
        seat.onFailed(new MaestroError('timeout', `join: no answer from ${members.join(', ')}`, { details: { members } }));
      });
    },
    give(seat, step, wantsHold) {
      seat.gave = { step, wantsHold };
      if (seat.failed !== undefined) return fail(seat, seat.failed, 0);
      tryReduce(seat.view.generation);
    },
    leave(seat, failure) {
      if (!seat.isOpen) return;
      seat.isOpen = false;
      if (!seat.isJoined) return;
      const lost = failure?.code === 'peer-lost' ? failure.details['member'] : undefined;
      const told =
        failure === undefined
          ? peerLost(seat.id, 'it left')
          : new MaestroError(failure.code, `${failure.message} (reported by ${seat.id})`, {
              details: { reporter: seat.id, ...(lost !== undefined && { member: lost }) },
            });
      for (const other of open(seat.view.generation)) {
        if (other.isJoined && other.id !== lost && !isCut(world, other.name, seat.name))
          fail(other, told, dice.between(1, 30), failure === undefined);
      }
    },
    broken: (seat, { id }) => fail(seat, peerLost(id, 'its stream broke'), 0),
    lost(id) {
      for (const [generation, seats] of groups) {
        if (!seats.some((seat) => seat.id === id && seat.isJoined && seat.isOpen)) continue;
        for (const other of open(generation)) {
          if (other.id !== id && other.isJoined) fail(other, peerLost(id, 'it does not answer'), dice.between(1, 60));
        }
      }
    },
    seatOf: (generation, id) => open(generation).find((seat) => seat.id === id),
    retry() {
      for (const generation of groups.keys()) {
        tryJoin(generation);
        tryReduce(generation);
      }
    },
  };
}
