import { coverRange, type ElementRange, MaestroError, type StateHolder, type StateShard } from '@maestro/protocol';

/** A part of a state that a member lacks. `vector`: 0 parameters, 1 first moments, 2 second moments. */
export interface MissingRange extends ElementRange {
  readonly vector: number;
}

/** Ranges that a member pulls from one holder, or, when that is the member itself, loads from its disk. */
export interface Transfer {
  readonly holder: StateHolder;
  readonly ranges: readonly MissingRange[];
}

/** Options of {@link planTransfer}. */
export interface TransferOptions {
  /** Id of this member, and its index in the view. */
  readonly self: string;
  readonly index: number;
  /** Vectors of moments. */
  readonly moments: number;
  /** The elements whose moments it needs. */
  readonly chunk: ElementRange;
  /** Elements of the vectors of what is trained. */
  readonly length: number;
  /**
   * Elements of the parameters that are frozen, after those; 0 where this member has them. Whoever holds a part of the state, in memory or
   * on disk, has them in its trainer. Default 0.
   */
  readonly frozen?: number;
  /** What others, or this member, say that they hold of the state. */
  readonly holders: readonly StateHolder[];
  /** Parts of the state in this member's trainer. */
  readonly held: readonly Pick<StateShard, 'first' | 'length' | 'isWhole'>[];
  /** Parts on its disk. Default: none. */
  readonly stored?: readonly ElementRange[];
}

/**
 * Plans what a member pulls from whom to have all parameters, and the moments of its chunk: nothing that it has in memory or on disk.
 * Members take parameters from different holders when there are several.
 *
 * @throws MaestroError `conflict` when nobody has an element; the coordinator forms no such view.
 */
export function planTransfer({
  self,
  index,
  moments: kinds,
  chunk,
  length,
  frozen = 0,
  holders,
  held,
  stored = [],
}: TransferOptions): Transfer[] {
  const others = holders.filter(({ id }) => id !== self);
  const me = { id: self, name: '', address: '' };
  const own: readonly StateHolder[] = [
    ...held.map((shard) => ({ ...shard, ...me, isStored: false })),
    ...stored.map(({ first, length }) => ({ first, length, ...me, isWhole: false, isStored: true })),
  ];
  const pieces = (range: ElementRange, from: readonly StateHolder[]): { readonly holder: StateHolder; readonly range: ElementRange }[] => {
    const found = coverRange(range, from);
    if (found === undefined) {
      throw new MaestroError(
        'conflict',
        `planTransfer: nobody holds all of elements ${range.first}..${range.first + range.length - 1} of the state`,
      );
    }
    return found.map(({ holder, ...piece }) => ({ holder, range: piece }));
  };
  const wholes = [...new Map(others.filter(({ isWhole }) => isWhole).map((holder) => [holder.id, holder])).values()];
  const whole = wholes[index % Math.max(1, wholes.length)];
  const all = { first: 0, length };
  const parameters = held.some(({ isWhole }) => isWhole)
    ? []
    : whole === undefined
      ? pieces(all, [...own, ...others])
      : [{ holder: whole, range: all }];
  const moments = pieces(chunk, [...own, ...others]);
  const frozenOf = (holder: StateHolder | undefined) =>
    frozen === 0 || holder === undefined ? [] : [{ holder, range: { first: length, length: frozen } }];
  const wanted = [
    ...[...parameters, ...frozenOf(others[index % Math.max(1, others.length)])].map(({ holder, range }) => ({
      holder,
      range: { vector: 0, ...range },
    })),
    ...Array.from({ length: kinds }, (_, kind) => 1 + kind).flatMap((vector) =>
      moments.map(({ holder, range }) => ({ holder, range: { vector, ...range } })),
    ),
  ];
  const lacking = wanted.filter(({ holder }) => holder.id !== self || holder.isStored === true);
  return [...new Set(lacking.map(({ holder }) => holder.id))].map((id) => {
    const ofHolder = lacking.filter(({ holder }) => holder.id === id);
    return { holder: ofHolder[0]!.holder, ranges: ofHolder.map(({ range }) => range) };
  });
}

/** Splits ranges into batches of at most `most` elements each, in order: one batch per request. */
export function batches(ranges: readonly MissingRange[], most: number): MissingRange[][] {
  const all: MissingRange[][] = [];
  let room = 0;
  for (const { vector, first, length } of ranges) {
    for (let done = 0; done < length; ) {
      if (room === 0) {
        all.push([]);
        room = most;
      }
      const count = Math.min(room, length - done);
      all.at(-1)!.push({ vector, first: first + done, length: count });
      done += count;
      room -= count;
    }
  }
  return all;
}
