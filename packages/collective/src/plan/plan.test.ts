import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type PlanMember, planReduce, type ReducePlan } from './plan.ts';
import { leftCount, maxPartials, treeSubtrees } from './tree.ts';

/** The expression of one worker: the fixed tree, written out. */
function treeExpression(first: number, count: number): string {
  if (count === 1) return `${first}`;
  const left = leftCount(count);
  return `(${treeExpression(first, left)}+${treeExpression(first + left, count - left)})`;
}

/** Runs a member's local program on expressions. */
function runLocal(first: number, count: number, virtualRanks: number): string[] {
  const { steps, stackDepth } = treeSubtrees(first, count, virtualRanks);
  const stack: string[] = [];
  const partials: string[] = [];
  for (const step of steps) {
    if (step.op === 'leaf') stack.push(`${step.rank}`);
    else if (step.op === 'take') partials[step.index] = stack.pop()!;
    else {
      const right = stack.pop()!;
      stack.push(`(${stack.pop()!}+${right})`);
    }
    if (stack.length > stackDepth) throw new Error('deeper than announced');
  }
  if (stack.length > 0) throw new Error('something was left on the stack');
  return partials;
}

/** Runs the whole plan on expressions; returns what each owner computes for its chunk. */
function runPlan(plan: ReducePlan): string[] {
  const local = plan.members.map(({ firstRank, ranks }) => runLocal(firstRank, ranks, plan.virtualRanks));
  return plan.programs.map(({ additions, result }, owner) => {
    const slots = plan.partials.map(({ member, index }) => local[member]![index]!);
    for (const { into, left, right } of additions) {
      if (plan.partials[into]!.member === owner) throw new Error('an own partial was overwritten');
      slots[into] = `(${slots[left]!}+${slots[right]!})`;
    }
    return slots[result]!;
  });
}

function members(sizes: readonly number[]): PlanMember[] {
  let firstRank = 0;
  return sizes.map((ranks, i) => {
    firstRank += ranks;
    return { id: `worker-${i}`, firstRank: firstRank - ranks, ranks };
  });
}

/** Every way to write `total` as a sum of positive integers, in order. */
function* compositions(total: number): Generator<number[]> {
  if (total === 0) yield [];
  for (let head = 1; head <= total; head++) for (const tail of compositions(total - head)) yield [head, ...tail];
}

describe('the sum is the tree of one worker', () => {
  test('for every contiguous split of up to 12 virtual ranks', () => {
    for (let virtualRanks = 1; virtualRanks <= 12; virtualRanks++) {
      const expected = treeExpression(0, virtualRanks);
      for (const sizes of compositions(virtualRanks)) {
        const results = runPlan(planReduce({ members: members(sizes), length: 1000, blockSize: 16 }));
        if (results.some((result) => result !== expected)) throw new Error(`V=${virtualRanks}, split ${sizes}: ${results}`);
      }
    }
  });

  test('for the even split of every V up to 64 over every W up to V', () => {
    for (let virtualRanks = 1; virtualRanks <= 64; virtualRanks++) {
      const expected = treeExpression(0, virtualRanks);
      for (let workers = 1; workers <= virtualRanks; workers++) {
        const edge = (i: number) => Math.floor((i * virtualRanks) / workers);
        const sizes = Array.from({ length: workers }, (_, i) => edge(i + 1) - edge(i));
        const results = new Set(runPlan(planReduce({ members: members(sizes), length: 64, blockSize: 1 })));
        if (results.size !== 1 || !results.has(expected)) throw new Error(`V=${virtualRanks}, W=${workers}`);
      }
    }
  });

  test('for any split of up to 64 virtual ranks', () => {
    const split = fc.integer({ min: 1, max: 64 }).chain((virtualRanks) =>
      fc.subarray(Array.from({ length: virtualRanks - 1 }, (_, i) => i + 1)).map((cuts) => {
        const edges = [0, ...cuts, virtualRanks];
        return cuts.concat(virtualRanks).map((end, i) => end - edges[i]!);
      }),
    );
    fc.assert(
      fc.property(split, (sizes) => {
        const plan = planReduce({
          members: members(sizes),
          length: 4096,
          blockSize: 64,
        });
        return runPlan(plan).every((result) => result === treeExpression(0, plan.virtualRanks));
      }),
      { numRuns: 300 },
    );
  });
});

test('every member comes to the tree of 1,024 virtual ranks over 64 members, however they share them', () => {
  const [virtualRanks, workers] = [1024, 64];
  const cuts = fc.uniqueArray(fc.integer({ min: 1, max: virtualRanks - 1 }), { minLength: workers - 1, maxLength: workers - 1 });
  const expected = treeExpression(0, virtualRanks);
  fc.assert(
    fc.property(cuts, (places) => {
      const edges = [0, ...places.sort((a, b) => a - b), virtualRanks];
      const sizes = edges.slice(1).map((end, i) => end - edges[i]!);
      const plan = planReduce({ members: members(sizes), length: 128, blockSize: 1 });
      const own = (member: number): number => plan.partials.filter((partial) => partial.member === member).length;
      expect(Math.max(...sizes.map((_, member) => own(member)))).toBeLessThanOrEqual(maxPartials(virtualRanks));
      return runPlan(plan).every((result) => result === expected);
    }),
    { numRuns: 3 },
  );
});

test('chunks cover the vector once, in order, cut at multiples of the block', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 64 }),
      fc.integer({ min: 1, max: 100_000 }),
      fc.integer({ min: 1, max: 5000 }),
      (workers, length, blockSize) => {
        const { chunks } = planReduce({
          members: members(new Array(workers).fill(1)),
          length,
          blockSize,
        });
        let next = 0;
        for (const chunk of chunks) {
          if (chunk.first !== next || (chunk.first % blockSize !== 0 && chunk.length > 0)) return false;
          next += chunk.length;
        }
        const whole = chunks.map((chunk) => Math.ceil(chunk.length / blockSize));
        return next === length && Math.max(...whole) - Math.min(...whole) <= 1;
      },
    ),
  );
});

test('no range leaves more partials than a trainer makes room for, and some range leaves as many when V is a power of two', () => {
  for (let virtualRanks = 1; virtualRanks <= 64; virtualRanks++) {
    let most = 0;
    for (let first = 0; first < virtualRanks; first++) {
      for (let count = 1; first + count <= virtualRanks; count++) {
        most = Math.max(most, treeSubtrees(first, count, virtualRanks).subtrees.length);
      }
    }
    expect(most).toBeLessThanOrEqual(maxPartials(virtualRanks));
    if (Number.isInteger(Math.log2(virtualRanks))) expect(most).toBe(maxPartials(virtualRanks));
  }
});

test('a power of two of workers sends one partial each, as a plain reduce-scatter would', () => {
  for (const workers of [1, 2, 4, 8]) {
    const plan = planReduce({
      members: members(new Array(workers).fill(8 / workers)),
      length: 64,
      blockSize: 1,
    });
    expect(plan.partials).toHaveLength(workers);
  }
});

test('the local program of three of eight ranks reads as the tree does', () => {
  const { steps, subtrees, stackDepth } = treeSubtrees(1, 3, 8);
  expect(subtrees).toEqual([
    { first: 1, count: 1 },
    { first: 2, count: 2 },
  ]);
  const line = steps.map((step) => (step.op === 'leaf' ? `leaf ${step.rank}` : step.op === 'take' ? `take ${step.index}` : 'merge'));
  expect(line.join(', ')).toBe('leaf 1, take 0, leaf 2, leaf 3, merge, take 1');
  expect(stackDepth).toBe(2);
});

test('members that do not cover the ranks once each are refused, and the message says where', () => {
  const plan = (list: PlanMember[]) => () => planReduce({ members: list, length: 8, blockSize: 1 });
  expect(plan([])).toThrow('a view needs at least one member');
  expect(plan([{ id: 'a', firstRank: 1, ranks: 2 }])).toThrow('member a should start at virtual rank 0, found 1');
  expect(plan([{ id: 'a', firstRank: 0, ranks: 0 }])).toThrow('member a needs at least one virtual rank, found 0');
  expect(
    plan([
      { id: 'a', firstRank: 0, ranks: 1 },
      { id: 'a', firstRank: 1, ranks: 1 },
    ]),
  ).toThrow('two members have the same id');
  expect(() => treeSubtrees(6, 3, 8)).toThrow('treeSubtrees: ranks 6..8 do not lie in 0..7');
});
