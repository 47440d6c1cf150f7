import { createHash } from 'node:crypto';
import { MaestroError } from '@maestro/protocol';
import { leftCount, type RankRange, treeSubtrees } from './tree.ts';

/** A member of a view: its virtual ranks are `firstRank .. firstRank + ranks - 1`. */
export interface PlanMember {
  readonly id: string;
  readonly firstRank: number;
  readonly ranks: number;
}

/** One partial sum: held by one member for one maximal complete subtree of its ranks. */
export interface Partial extends RankRange {
  /** Position among the partials of all members, in rank order; identifies the partial on the wire and in programs. */
  readonly slot: number;
  /** Index of the member that computes it, and its index among that member's partials. */
  readonly member: number;
  readonly index: number;
}

/** One addition of a program: slot `into`, which is `left` or `right`, becomes `left + right`. */
export interface Addition {
  readonly into: number;
  readonly left: number;
  readonly right: number;
}

/** Elements `first .. first + length - 1` of the flat vector; `first` is a multiple of the block size. */
export interface Chunk {
  readonly first: number;
  readonly length: number;
}

/** The additions that a chunk's owner performs on its partials, in order, and the slot that then holds the sum. */
export interface AddProgram {
  readonly additions: readonly Addition[];
  readonly result: number;
}

/** The partials, chunk owners and order of additions of a view. The same on every member. */
export interface ReducePlan {
  readonly members: readonly PlanMember[];
  readonly virtualRanks: number;
  readonly length: number;
  readonly blockSize: number;
  readonly allGather: AllGather;
  /** Every partial, by slot. */
  readonly partials: readonly Partial[];
  /** Chunk `i` is owned by member `i`; together they cover `0 .. length - 1` in order. Short vectors leave some chunks empty. */
  readonly chunks: readonly Chunk[];
  /** Program `i` is run by member `i` on its chunk. It never writes into a partial of member `i`, which stays as computed. */
  readonly programs: readonly AddProgram[];
  /** SHA-256 (hex) over all of the above; members with different plans must not exchange anything. */
  readonly digest: string;
}

/**
 * Number format in which sums are gathered. `bf16` halves those bytes: the owner of a chunk also rounds its own copy, so that all members
 * have equal bits, and the unrounded sum does not depend on its owner. Partial sums are never rounded: where they are cut depends on the
 * members.
 */
export type AllGather = 'f32' | 'bf16';

/** Options of {@link planReduce}. */
export interface PlanOptions {
  /** In rank order; their ranges are contiguous and cover `0 .. V - 1`. */
  readonly members: readonly PlanMember[];
  /** Number of elements of the flat vector. */
  readonly length: number;
  /** Chunks are cut at multiples of this many elements, so a block's sum of squares has one owner. */
  readonly blockSize: number;
  /** Default `f32`. */
  readonly allGather?: AllGather;
}

/**
 * Plans a direct reduce-scatter and all-gather whose sum equals the fixed tree's for any split of the virtual ranks. Throws
 * `invalid-argument` when the members do not cover each rank exactly once, in order.
 */
export function planReduce({ members, length, blockSize, allGather = 'f32' }: PlanOptions): ReducePlan {
  const virtualRanks = checkMembers(members);
  for (const [name, value] of Object.entries({ length, blockSize })) {
    if (!Number.isSafeInteger(value) || value < 1) throw invalid(`${name} must be a positive integer, found ${value}`);
  }
  const partials = members.flatMap(({ firstRank, ranks }, member) =>
    treeSubtrees(firstRank, ranks, virtualRanks).subtrees.map((range, index) => ({ ...range, member, index })),
  );
  const slots = partials.map((partial, slot): Partial => ({ slot, ...partial }));
  const blocks = Math.ceil(length / blockSize);
  const cut = (member: number): number => Math.min(length, Math.floor((member * blocks) / members.length) * blockSize);
  const chunks = members.map(
    (_, member): Chunk => ({
      first: cut(member),
      length: cut(member + 1) - cut(member),
    }),
  );
  const programs = members.map((_, owner) => addProgram(slots, owner, virtualRanks));
  const identity = JSON.stringify([members.map(({ id, firstRank, ranks }) => [id, firstRank, ranks]), length, blockSize, allGather]);
  const digest = createHash('sha256').update(identity).digest('hex');
  return {
    members,
    virtualRanks,
    length,
    blockSize,
    allGather,
    partials: slots,
    chunks,
    programs,
    digest,
  };
}

/** Checks that the members' ranges are consecutive from 0; returns V. */
function checkMembers(members: readonly PlanMember[]): number {
  let next = 0;
  for (const { id, firstRank, ranks } of members) {
    if (firstRank !== next) throw invalid(`member ${id} should start at virtual rank ${next}, found ${firstRank}`);
    if (!Number.isSafeInteger(ranks) || ranks < 1) throw invalid(`member ${id} needs at least one virtual rank, found ${ranks}`);
    next += ranks;
  }
  if (members.length === 0) throw invalid('a view needs at least one member');
  if (new Set(members.map(({ id }) => id)).size !== members.length) throw invalid('two members have the same id');
  return next;
}

function invalid(message: string): MaestroError {
  return new MaestroError('invalid-argument', `planReduce: ${message}`);
}

/** Returns the additions of the tree above the partials, children before parents, left before right. */
function addProgram(partials: readonly Partial[], owner: number, virtualRanks: number): AddProgram {
  const slotOf = new Map(partials.map(({ first, count, slot }) => [`${first}+${count}`, slot]));
  const additions: Addition[] = [];
  const sum = (first: number, count: number): number => {
    const slot = slotOf.get(`${first}+${count}`);
    if (slot !== undefined) return slot;
    const leftSize = leftCount(count);
    const left = sum(first, leftSize);
    const right = sum(first + leftSize, count - leftSize);
    // One side is always free to be written: two partials of the owner would already have been merged into one.
    const into = partials[left]!.member === owner ? right : left;
    additions.push({ into, left, right });
    return into;
  };
  return { result: sum(0, virtualRanks), additions };
}
