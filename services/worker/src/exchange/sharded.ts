import type { Group, RoundTimes } from '@maestro/collective';
import { ruleOf } from '@maestro/optim';
import type { Faults } from '../process/faults.ts';
import type { JobSession } from '../session/jobSession.ts';
import type { StepReport } from '../step/runSteps.ts';
import type { Exchange } from './exchange.ts';

/** Options of {@link createSharded}. */
export interface ShardedOptions {
  readonly session: Pick<JobSession, 'spec' | 'trainer' | 'checkpointer' | 'collector' | 'schedule' | 'state' | 'shards' | 'snapshots'>;
  readonly group: Group;
  /** True when this member writes the checkpoints. */
  readonly isWriter: boolean;
  /** Returns whether the coordinator wants the view to end with a checkpoint of the state after the step `step` (its index). */
  readonly isSaveAsked: (step: number) => boolean;
  /** Called for each step whose shard this member has applied: from now on others may continue from the step. */
  readonly onApplied: (report: StepReport) => void;
  /** Called with the times of a round with the peers. */
  readonly onRound: (times: RoundTimes) => void;
  /** Called when this member has its shard, and all parameters, of the state after this many steps. */
  readonly onState: (step: number) => void;
  readonly faults: Faults;
}

/**
 * Training with sharded moments: the gradient is summed to the owner of each chunk, who applies the optimiser's step to it, and the
 * parameters are gathered. Nobody applies anything before all owners have told the sums of squares of what they have summed, so that a step
 * that is not finite leaves all members as they were.
 */
export function createSharded(options: ShardedOptions): Exchange {
  const { session, group, isWriter, isSaveAsked, onApplied, onRound, onState, faults } = options;
  const { trainer, checkpointer, collector, schedule, snapshots, spec } = session;
  const needsWholeGradient = ruleOf(spec.optimizer).adapt !== undefined;
  let step = 0;
  return {
    reducedRange: group.chunk,
    begin(next) {
      step = next;
    },
    offer: (partial) => trainer.takePartial(partial),
    async finish(scalars) {
      const total = await group.reduceScatter({ step, scalars });
      onRound(group.times);
      return total;
    },
    async wantsSave() {
      const isDue = isWriter && ((await checkpointer.claim(step + 1)) || step + 1 === schedule.totalSteps);
      return isDue || isSaveAsked(step);
    },
    async apply({ update, report }) {
      await snapshots.captured();
      // Norms of whole tensors, in the one order of their elements, need all of the gradient.
      if (needsWholeGradient) await group.gather({ step });
      await trainer.apply(update);
      session.state = -1;
      session.shards = [{ step: step + 1, ...group.chunk, isWhole: false }];
      onApplied(report());
      await trainer.share('parameters');
      await Promise.all([group.gather({ step }), faults.reach(step, 'all-gather')]);
      onRound(group.times);
      await trainer.adopt();
      session.state = step + 1;
      session.shards = [{ step: step + 1, ...group.chunk, isWhole: true }];
      onState(step + 1);
    },
    async save() {
      if (isWriter) await checkpointer.idle();
      await collector.collect({ group, step: step + 1, isWriter });
    },
  };
}
