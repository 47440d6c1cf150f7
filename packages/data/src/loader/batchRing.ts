import type { PositionRange } from '../schedule/schedule.ts';
import type { FilledBatch } from './batchFiller.ts';

/** A batch that is wanted, being filled, or filled. */
export interface BatchOrder {
  readonly positions: PositionRange;
  readonly state: 'waiting' | 'filling' | 'filled';
  /** Slot in memory; -1 while waiting. */
  readonly slot: number;
  /** Set once filled. */
  readonly filled: FilledBatch | undefined;
  /** True when a caller waits for it or holds it; such an order is never dropped for another. */
  readonly isClaimed: boolean;
}

/** Decides which batch is made when, and in which of a fixed number of slots: the loader's logic, without its threads and memory. */
export interface BatchRing {
  /** True when callers hold every slot. */
  readonly isHeld: boolean;
  /** Replaces the list of batches wanted next, in order. Unclaimed ones that are no longer in it are dropped. */
  want(batches: readonly PositionRange[]): void;
  /** Claims the order for `positions`: one that was wanted, or a new one. */
  claim(positions: PositionRange): BatchOrder;
  /**
   * Returns the next order to fill, with its slot assigned: claimed ones first, then in the order wanted. Undefined when nothing waits or
   * no slot is available. For a claimed order, the filled batch that is wanted last gives up its slot.
   */
  next(): BatchOrder | undefined;
  /** Marks the order in `slot` as filled; undefined when it was dropped meanwhile. */
  fill(slot: number, filled: FilledBatch): BatchOrder | undefined;
  /** Hands over a filled, claimed order: the caller holds its slot until release. */
  take(order: BatchOrder): void;
  /** Releases a held slot. */
  release(slot: number): void;
  /** Drops a claimed order whose caller no longer waits. */
  cancel(order: BatchOrder): void;
}

type Entry = { -readonly [K in keyof BatchOrder]: BatchOrder[K] };

/** Creates a ring of `slotCount` free slots. */
export function createBatchRing(slotCount: number): BatchRing {
  const freeSlots = Array.from({ length: slotCount }, (_, slot) => slot);
  const inSlot = new Array<Entry | undefined>(slotCount);
  let entries: Entry[] = [];
  let held = 0;

  const free = (slot: number): void => {
    inSlot[slot] = undefined;
    freeSlots.push(slot);
  };

  /** An entry being filled keeps its slot until the thread is done with it. */
  const drop = (dropped: Entry): void => {
    entries = entries.filter((entry) => entry !== dropped);
    if (dropped.state === 'filled') free(dropped.slot);
  };

  return {
    get isHeld() {
      return held === slotCount;
    },
    want: (batches) => {
      const unclaimed = entries.filter(({ isClaimed }) => !isClaimed);
      const wanted = batches.map((positions) => {
        const at = unclaimed.findIndex((entry) => isSame(entry.positions, positions));
        return at === -1 ? newEntry(positions) : unclaimed.splice(at, 1)[0]!;
      });
      unclaimed.forEach(drop);
      entries = [...entries.filter(({ isClaimed }) => isClaimed), ...wanted];
    },
    claim: (positions) => {
      let entry = entries.find((candidate) => !candidate.isClaimed && isSame(candidate.positions, positions));
      if (entry === undefined) {
        entry = newEntry(positions);
        entries.push(entry);
      }
      entry.isClaimed = true;
      return entry;
    },
    next: () => {
      const waiting = entries.filter(({ state }) => state === 'waiting');
      const chosen = waiting.find(({ isClaimed }) => isClaimed) ?? waiting[0];
      if (chosen === undefined) return undefined;
      if (freeSlots.length === 0) {
        const spare = chosen.isClaimed ? entries.findLast(({ state, isClaimed }) => state === 'filled' && !isClaimed) : undefined;
        if (spare === undefined) return undefined;
        drop(spare);
      }
      chosen.slot = freeSlots.pop()!;
      chosen.state = 'filling';
      inSlot[chosen.slot] = chosen;
      return chosen;
    },
    fill: (slot, filled) => {
      const entry = inSlot[slot]!;
      entry.state = 'filled';
      entry.filled = filled;
      if (entries.includes(entry)) return entry;
      free(slot);
      return undefined;
    },
    take: (order) => {
      entries = entries.filter((entry) => entry !== order);
      held++;
    },
    release: (slot) => {
      held--;
      free(slot);
    },
    cancel: (order) => drop(order),
  };
}

const newEntry = (positions: PositionRange): Entry => ({ positions, state: 'waiting', slot: -1, filled: undefined, isClaimed: false });

const isSame = (a: PositionRange, b: PositionRange): boolean => a.epoch === b.epoch && a.first === b.first && a.count === b.count;
