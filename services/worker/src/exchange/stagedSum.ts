import type { AllReduceResult, Group, RoundTimes, Waiting } from '@maestro/collective';

/** The sum of a step's gradient over the members in stages: a group for each, which sums a range of the vector as soon as it is offered. */
export interface StagedSum {
  /** Stages that are offered while later ones are computed; 0: everything is summed at the end. */
  readonly early: number;
  /** Begins to sum an early stage: this member's partials are complete in its range, and stay as they are. */
  offer(step: number, stage: number): void;
  /** Sums the rest, with the step's scalars, after all early stages were offered. Rejects with the error of the first group that fails. */
  finish(options: { readonly step: number; readonly scalars: Float64Array }): Promise<AllReduceResult>;
  /** Times of the last step's `finish`: what computing did not hide. */
  readonly times: RoundTimes;
  /** What `finish` still waits for. Before it this member computes, and waits for nobody. */
  waiting(): Waiting[];
}

/** Opens the sum over `groups`, whose ranges follow one another from the end of the vector to its beginning; scalars go with the last. */
export function openStagedSum(groups: readonly Pick<Group, 'allReduce' | 'times' | 'waiting'>[]): StagedSum {
  const last = groups.at(-1)!;
  const none = new Float64Array(0);
  let offered: Promise<AllReduceResult>[] = [];
  let isFinishing = false;
  let { times } = last;

  return {
    early: groups.length - 1,
    offer(step, stage) {
      const sum = groups[stage]!.allReduce({ step, scalars: none });
      // `finish` tells a failure.
      sum.catch(() => undefined);
      offered.push(sum);
    },
    async finish({ step, scalars }) {
      isFinishing = true;
      try {
        const ending = last.allReduce({ step, scalars }).then((total) => ({ total, endMs: performance.now() }));
        const [{ total, endMs }, ...early] = await Promise.all([ending, ...offered]);
        const rest = (performance.now() - endMs) / 1000;
        times = { ...last.times, allGather: last.times.allGather + rest };
        return { ...total, ...squaresOf([total, ...early.reverse()]) };
      } finally {
        offered = [];
        isFinishing = false;
      }
    },
    get times() {
      return times;
    },
    waiting: () => (isFinishing ? groups.flatMap((group) => group.waiting()) : []),
  };
}

/** Joins the sums of squares of consecutive ranges, and adds them in the order of the vector, as one group does. */
function squaresOf(results: readonly AllReduceResult[]): Pick<AllReduceResult, 'blockSumSquares' | 'sumSquares' | 'finite'> {
  const blockSumSquares = new Float64Array(results.reduce((count, each) => count + each.blockSumSquares.length, 0));
  let at = 0;
  for (const each of results) {
    blockSumSquares.set(each.blockSumSquares, at);
    at += each.blockSumSquares.length;
  }
  const sumSquares = blockSumSquares.reduce((sum, block) => sum + block, 0);
  return { blockSumSquares, sumSquares, finite: Number.isFinite(sumSquares) };
}
