import type { RoundTimes } from '@maestro/collective';
import type { GradientTree, OuterAccess } from '@maestro/engine';
import { type DilocoSpec, MaestroError } from '@maestro/protocol';
import type { Faults } from '../process/faults.ts';
import type { JobSession } from '../session/jobSession.ts';
import type { Phase } from '../step/phase.ts';
import type { Exchange } from './exchange.ts';
import { deltaProgram, type ReplicaExchange, type ReplicaRange } from './replicaExchange.ts';

/** Options of {@link createApart}. */
export interface ApartOptions extends Pick<JobSession, 'spec'> {
  readonly trainer: GradientTree & OuterAccess;
  readonly groups: ReplicaExchange;
  readonly diloco: DilocoSpec;
  /** This member's replicas. */
  readonly own: ReplicaRange;
  /** Called with the times of a round with the peers. */
  readonly onRound: (times: RoundTimes) => void;
  readonly onPhase: (step: number, phase: Phase) => void;
  readonly faults: Faults;
  readonly signal: AbortSignal;
}

/**
 * An exchange whose `finish` sums only scalars: replicas apply their own gradients, and `apply` is the outer step at the end of a round.
 */
export interface ApartExchange extends Pick<Exchange, 'begin' | 'offer' | 'finish'> {
  /** Sums the moves of all replicas along the fixed tree over them, and takes the same outer step on every member. */
  apply(): Promise<void>;
}

const NO_SCALARS = new Float64Array(0);

/** Trains replicas that diverge between outer steps. */
export function createApart({ spec, trainer, groups, diloco, own, onRound, onPhase, faults, signal }: ApartOptions): ApartExchange {
  const { scalars: scalarGroup, deltas } = groups;
  const order = deltaProgram({ spec }, own);
  let step = 0;
  const offer = (partial: number): Promise<void> => trainer.takePartial(partial);
  return {
    begin(next) {
      step = next;
    },
    offer,
    async finish(scalars) {
      const total = await scalarGroup.allReduce({ step, scalars });
      onRound(scalarGroup.times);
      return total;
    },
    async apply() {
      for (const local of order) {
        if (local.op === 'leaf') await trainer.pushDelta(local.rank - own.first);
        else if (local.op === 'merge') await trainer.mergeTop();
        else await offer(local.index);
      }
      signal.throwIfAborted();
      onPhase(step, 'reduce');
      await faults.reach(step, 'reduce-scatter');
      const [{ finite }] = await Promise.all([deltas.allReduce({ step, scalars: NO_SCALARS }), faults.reach(step, 'all-gather')]);
      onRound(deltas.times);
      if (!finite) throw new MaestroError('non-finite', `step ${step}: what the replicas have moved is not finite; lower schedule.baseLr`);
      onPhase(step, 'apply');
      signal.throwIfAborted();
      await trainer.applyOuter({ lr: diloco.outerLr, momentum: diloco.outerMomentum, replicas: diloco.replicas, held: own.held });
    },
  };
}
