import type { Collective } from '@maestro/collective';
import { dilocoOf, isMaestroError, type MaestroError, type View } from '@maestro/protocol';
import type { Logger } from '@maestro/telemetry';
import { gatherReplicas, serveReplicas } from '../exchange/gatherReplicas.ts';
import type { ReplicaExchange, ReplicaRange } from '../exchange/replicaExchange.ts';
import { openReplicaVectors } from '../exchange/replicaVectors.ts';
import type { Faults } from '../process/faults.ts';
import type { JobSession } from '../session/jobSession.ts';
import type { Phase } from '../step/phase.ts';
import type { ReplicasProgramOptions } from '../step/replicasProgram.ts';
import { isRoundCheckpointDue } from '../step/rounds.ts';
import { SCALARS_PER_RANK } from '../step/stepScalars.ts';
import { writeLastCheckpoint } from './lastCheckpoint.ts';

/** Options of {@link openRoundCheckpoints}. */
export interface RoundCheckpointOptions {
  readonly session: JobSession;
  readonly view: View;
  readonly self: string;
  readonly collective: Collective;
  readonly own: ReplicaRange;
  readonly exchange: ReplicaExchange;
  readonly faults: Faults;
  readonly onPhase: (step: number, phase: Phase) => void;
  readonly onCheckpointFailed: (step: number, error: unknown) => void;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/**
 * Handles a view's checkpoints at the end of a round: the first member gathers the moments of all replicas and writes them, while the
 * others serve theirs and wait. One is written when the job file asks for one, at the end of the run, and before a view ends on purpose:
 * the next view starts from it, whoever its members are. Only the last one of a run fails the view when the disk refuses it.
 */
export function openRoundCheckpoints(options: RoundCheckpointOptions): ReplicasProgramOptions['onRoundEnd'] {
  const { session, view, self, own, exchange, onPhase, onCheckpointFailed, logger, signal } = options;
  const { spec, layout, schedule, checkpointer, checkpointRules } = session;
  const diloco = dilocoOf(spec)!;
  const vectors = openReplicaVectors(layout, spec.optimizer, diloco.replicas);
  const isFirst = view.members[0]!.id === self;
  const ranks = (own.held * schedule.virtualRanks) / diloco.replicas;
  const noScalars = new Float64Array(ranks * SCALARS_PER_RANK);

  return async (done, loss, reason) => {
    if (reason === 'round' && !isRoundCheckpointDue(done, diloco, checkpointRules)) return;
    onPhase(done - 1, 'checkpoint');
    const stop = isFirst ? undefined : await serveReplicas({ ...options, vectors, step: done });
    try {
      const capture = () => gatherReplicas({ ...options, vectors, step: done });
      if (isFirst && reason === 'round') await checkpointer.begin(done, { loss }, capture);
      else if (isFirst) {
        const write = (): Promise<void> => checkpointer.write(done, { loss }, capture);
        const onFailed = (error: MaestroError): void => onCheckpointFailed(done, error);
        const onWaiting = (): void => onPhase(done - 1, 'checkpoint');
        if (reason === 'finished') await writeLastCheckpoint({ write, onFailed, onWaiting, logger, signal });
        else
          await write().catch((error: unknown) => {
            if (!isMaestroError(error, 'storage')) throw error;
            logger.error({ step: done, error }, 'checkpoint of the view failed, the next one starts from an older one');
            onFailed(error);
          });
      }
      // No member continues, and changes what it serves, before the first member has what it needs.
      await exchange.scalars.allReduce({ step: done - 1, scalars: noScalars });
    } finally {
      stop?.();
    }
  };
}
