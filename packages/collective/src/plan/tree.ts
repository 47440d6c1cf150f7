import { MaestroError } from '@maestro/protocol';

/** Virtual ranks `first .. first + count - 1`. */
export interface RankRange {
  readonly first: number;
  readonly count: number;
}

/**
 * One step of a member's local part: add a virtual rank's gradient to the stack (`leaf`), add the top slot to the one below it
 * (`merge`, left + right), or move the top slot into partial `index` (`take`).
 */
export type LocalStep =
  | { readonly op: 'leaf'; readonly rank: number }
  | { readonly op: 'merge' }
  | { readonly op: 'take'; readonly index: number };

/** A member's local sums, before it sends anything. */
export interface LocalProgram {
  /** The maximal complete subtrees of the range, in rank order: partial `i` is the sum over `subtrees[i]`. */
  readonly subtrees: readonly RankRange[];
  readonly steps: readonly LocalStep[];
  /** Maximum number of slots in use at once. */
  readonly stackDepth: number;
}

/** Returns the size of the left child of a node of `count` ranks in the fixed tree. The whole numeric contract rests on it. */
export function leftCount(count: number): number {
  return count >> 1;
}

/**
 * Plans the local part of the tree sum for one member's contiguous ranks on the fixed binary tree over `0 .. virtualRanks - 1`. Throws
 * `invalid-argument` when the range is empty or outside the tree.
 */
export function treeSubtrees(first: number, count: number, virtualRanks: number): LocalProgram {
  const fits = Number.isSafeInteger(first) && Number.isSafeInteger(count) && first >= 0 && count >= 1 && first + count <= virtualRanks;
  if (!fits) {
    throw new MaestroError('invalid-argument', `treeSubtrees: ranks ${first}..${first + count - 1} do not lie in 0..${virtualRanks - 1}`);
  }
  const subtrees: RankRange[] = [];
  const steps: LocalStep[] = [];
  let stackDepth = 0;

  const sum = (node: RankRange, depth: number): void => {
    stackDepth = Math.max(stackDepth, depth + 1);
    if (node.count === 1) {
      steps.push({ op: 'leaf', rank: node.first });
      return;
    }
    const left = leftCount(node.count);
    sum({ first: node.first, count: left }, depth);
    sum({ first: node.first + left, count: node.count - left }, depth + 1);
    steps.push({ op: 'merge' });
  };

  const visit = (node: RankRange): void => {
    const begin = Math.max(node.first, first);
    const end = Math.min(node.first + node.count, first + count);
    if (begin >= end) return;
    if (end - begin === node.count) {
      sum(node, 0);
      steps.push({ op: 'take', index: subtrees.length });
      subtrees.push(node);
      return;
    }
    const left = leftCount(node.count);
    visit({ first: node.first, count: left });
    visit({ first: node.first + left, count: node.count - left });
  };

  visit({ first: 0, count: virtualRanks });
  return { subtrees, steps, stackDepth };
}

/**
 * Returns the maximum number of partials that a contiguous range of a tree over `virtualRanks` can leave; a trainer makes room for that
 * many.
 */
export function maxPartials(virtualRanks: number): number {
  // Below the node that holds the whole range, each side of the cut leaves at most one subtree per level.
  return Math.max(1, 2 * Math.ceil(Math.log2(virtualRanks)) - 2);
}

/** Returns the number of merges between the root of the tree over `virtualRanks` and its deepest leaf. */
export function treeHeight(virtualRanks: number): number {
  return Math.ceil(Math.log2(virtualRanks));
}
