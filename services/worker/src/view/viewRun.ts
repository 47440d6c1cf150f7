import { type Collective, type Group, type LocalStep, type RoundTimes, treeSubtrees } from '@maestro/collective';
import { dilocoOf, type FailureTimeouts, MaestroError, type SkippedImage, type StepCommitted, type View } from '@maestro/protocol';
import type { Logger } from '@maestro/telemetry';
import { writeLastCheckpoint } from '../checkpoint/lastCheckpoint.ts';
import { openRoundCheckpoints } from '../checkpoint/roundCheckpoints.ts';
import { createApart } from '../exchange/apart.ts';
import { type GradientGroups, joinGradients } from '../exchange/gradientGroups.ts';
import { joinReplicas, type ReplicaExchange, replicasOf } from '../exchange/replicaExchange.ts';
import { createAlone, createReplicated } from '../exchange/replicated.ts';
import { createSharded } from '../exchange/sharded.ts';
import type { ReportRoom } from '../member/reportRoom.ts';
import type { Faults } from '../process/faults.ts';
import { aborted } from '../process/signals.ts';
import type { JobSession } from '../session/jobSession.ts';
import { pullShards, serveShards } from '../state/shardTransfer.ts';
import { openWindowSnapshots } from '../state/windowSnapshots.ts';
import { createGradientProgram } from '../step/gradientProgram.ts';
import type { Phase } from '../step/phase.ts';
import { createReplicasProgram } from '../step/replicasProgram.ts';
import { runSteps, type StepReport } from '../step/runSteps.ts';
import { heal, serveTo } from './heal.ts';
import { restore } from './restore.ts';
import { openViewShards } from './viewShards.ts';
import type { ViewTraffic } from './viewTraffic.ts';

/** Options of {@link runView}. */
export interface ViewRunOptions {
  readonly session: JobSession;
  readonly view: View;
  /** This worker's id in the view. */
  readonly self: string;
  readonly collective: Collective;
  readonly timeouts: FailureTimeouts;
  readonly dataDir: string;
  readonly isFaultTolerant: boolean;
  readonly faults: Faults;
  /** Waits while too many steps are not in the ledger yet. */
  readonly room: ReportRoom['wait'];
  readonly logger: Logger;
  /** An earlier view's work in progress in the trainer; the trainer is not used before it has ended. */
  readonly before: Promise<unknown>;
  /** Resolves when all members have formed. */
  readonly started: Promise<void>;
  readonly isHoldWanted: (step: number) => boolean;
  /** Returns whether the hold that is wanted after the step includes a checkpoint. */
  readonly isSaveWanted: (step: number) => boolean;
  readonly onJoined: (traffic: ViewTraffic) => void;
  readonly onPhase: (step: number, phase: Phase) => void;
  /** Called with the times of a round with the peers. */
  readonly onRound: (times: RoundTimes) => void;
  /** Called when the member is connected to all its peers; `stateHash` when it restored or initialised its state itself. */
  readonly onFormed: (stateHash: string) => void;
  readonly onWaiting: (reason: string | undefined) => void;
  /** Called when this member has applied its part of a step: from now on others may continue from the step. */
  readonly onApplied: (report: StepCommitted) => void;
  readonly onStep: (report: StepCommitted, rankSeconds: number) => void;
  readonly onSkipped: (step: number, images: readonly SkippedImage[]) => void;
  readonly onCheckpointFailed: (step: number, error: unknown) => void;
  readonly signal: AbortSignal;
}

/**
 * Works for one view: joins its collective, reaches the state of its first step, and trains. A member that lacks the state pulls it from a
 * peer while the others compute: none of them can apply that step before this member has added its part. When replicas train apart, all
 * members restore, and the view's own state is only in checkpoints.
 *
 * @throws the signal's reason, or the MaestroError that broke the view; `session.state` tells what the trainer holds then.
 */
export async function runView(options: ViewRunOptions): Promise<'finished' | 'held'> {
  const { session, view, self, collective, timeouts, faults, room, logger, before, started, onPhase, onRound, signal } = options;
  const { spec, schedule, trainer, checkpointer, jobId, isSharded, snapshots } = session;
  const { generation, members, startStep, sources, holders } = view;
  const me = members.find(({ id }) => id === self)!;
  const isFirst = members[0]!.id === self;
  const diloco = dilocoOf(spec);
  const local = treeSubtrees(me.firstRank, me.ranks, schedule.virtualRanks);
  const closers: (() => unknown)[] = [];
  const over = new AbortController();

  try {
    onPhase(startStep, 'forming');
    const joining: Promise<Joined> =
      diloco === undefined
        ? joinGradients({ ...options, joinTimeoutMs: timeouts.joinMs })
        : joinReplicas({ ...options, joinTimeoutMs: timeouts.joinMs });
    // A failed restore must not leave the groups open.
    joining.then((joined) => closers.push(() => Promise.all(groupsOf(joined).map((group) => group.close())))).catch(() => undefined);
    await before;
    if (isSharded) await snapshots.captured();
    signal.throwIfAborted();
    const chunk = isSharded ? chunkOf(await joining) : undefined;
    if (chunk !== undefined) await trainer.own(chunk);
    const isRestored = sources.length === 0 && holders.length === 0;
    const restoring = { session, view, self, dataDir: options.dataDir, timeouts, isFirst, logger, signal };
    const stateHash = isRestored ? await restore(restoring) : '';
    const joined = await joining;
    if (isRestored && chunk !== undefined) session.shards = [{ step: startStep, ...chunk, isWhole: true }];
    const groups = groupsOf(joined);
    options.onJoined({
      waiting: () => ('sum' in joined ? joined.sum.waiting() : groups.flatMap((group) => group.waiting())),
      sentBytes: () =>
        'sum' in joined ? { gradients: sentBy(groups) } : { scalars: joined.scalars.sentBytes, deltas: joined.deltas.sentBytes },
      bytes: () => ({ sent: sentBy(groups), received: groups.reduce((sum, { receivedBytes }) => sum + receivedBytes, 0) }),
    });
    const abort = (): void => {
      for (const group of groups) group.abort(signal.reason as MaestroError);
    };
    signal.addEventListener('abort', abort, { once: true });
    closers.push(() => signal.removeEventListener('abort', abort));
    if (signal.aborted) abort();

    const virtualRanks = local.steps.flatMap((step: LocalStep) => (step.op === 'leaf' ? [step.rank] : []));
    const shards = await openViewShards({ ...options, virtualRanks, signal: AbortSignal.any([signal, over.signal]) });
    closers.push(() => shards.close());
    if (isSharded) {
      await snapshots.rewind(startStep);
      closers.push(serveShards({ session, view, self, collective, faults }));
    } else if (sources.includes(self) && sources.length < members.length) {
      closers.push(serveTo({ session, view, self, collective, faults }));
    }
    options.onFormed(stateHash);
    await Promise.race([started, aborted(signal)]);
    signal.throwIfAborted();

    if (chunk !== undefined && !isRestored) {
      onPhase(startStep, 'heal');
      const onProgress = (): void => onPhase(startStep, 'heal');
      await pullShards({ session, view, self, collective, faults, chunk, onProgress, logger, signal });
    } else if (diloco === undefined && session.state !== startStep) {
      onPhase(startStep, 'heal');
      // Arriving bytes are a sign of life, however long it takes.
      await heal({ session, view, self, collective, faults, onProgress: () => onPhase(startStep, 'heal'), logger, signal });
    }
    await trainer.clearTree();
    const committed = ({ rankSeconds: _own, loss: _kept, ...report }: StepReport): StepCommitted => ({ jobId, generation, ...report });
    const loop = {
      startStep,
      totalSteps: schedule.totalSteps,
      shards,
      contents: session.contents,
      faults,
      onPhase,
      onWaiting: (reason: string) => options.onWaiting(reason === '' ? undefined : reason),
      onStep: async (report: StepReport, isSaved = false) => {
        const { step, loss } = report;
        if (diloco === undefined) session.state = step;
        options.onStep(committed(report), report.rankSeconds);
        await room(signal, () => onPhase(step, 'report'));
        if (!isFirst || diloco !== undefined) return;
        onPhase(step - 1, 'checkpoint');
        // The last one is written below, and awaited.
        if (step === schedule.totalSteps) return;
        const facts = loss === undefined ? {} : { loss };
        if (!isSharded) await checkpointer.stepDone(step, facts);
        else if (isSaved) await checkpointer.begin(step, facts);
      },
      signal,
    };
    const stepping = { ...session, isHoldWanted: options.isHoldWanted, faults, onPhase, onSkipped: options.onSkipped, signal };
    if ('scalars' in joined) {
      const own = replicasOf(session, me);
      const onRoundEnd = openRoundCheckpoints({ ...options, own, exchange: joined });
      const exchange = createApart({ spec, trainer, groups: joined, diloco: diloco!, own, onRound, onPhase, faults, signal });
      return await runSteps({ ...loop, program: createReplicasProgram({ ...stepping, diloco: diloco!, own, exchange, onRoundEnd }) });
    }
    const group = joined.groups.at(-1)!;
    const windows = openWindowSnapshots({ session, view, self, group, collective, signal: AbortSignal.any([signal, over.signal]) });
    // A restored state is in a checkpoint.
    if (isSharded && !isRestored) windows.onState(startStep);
    // A sum that is rounded for gathering is rounded by the exchange.
    const isAlone = members.length === 1 && spec.sync.allGather === 'f32';
    const exchange = isSharded
      ? createSharded({
          session,
          group,
          isWriter: isFirst,
          isSaveAsked: options.isSaveWanted,
          onApplied: (report) => options.onApplied(committed(report)),
          onRound,
          onState: windows.onState,
          faults,
        })
      : isAlone
        ? createAlone({ trainer, faults, signal })
        : createReplicated({ trainer, sum: joined.sum, onRound, faults, signal });
    const outcome = await runSteps({ ...loop, program: createGradientProgram({ ...stepping, order: local.steps, exchange }) });
    if (outcome === 'finished' && isFirst) {
      const { totalSteps } = schedule;
      const onWaiting = (): void => onPhase(totalSteps, 'checkpoint');
      onWaiting();
      await writeLastCheckpoint({
        write: () => checkpointer.write(totalSteps),
        onFailed: (error) => options.onCheckpointFailed(totalSteps, error),
        onWaiting,
        logger,
        signal,
      });
      await session.artifacts;
    }
    return outcome;
  } finally {
    over.abort(new MaestroError('cancelled', 'the view is over'));
    for (const close of closers.reverse()) await close();
  }
}

/** What sums gradients, or replicas that train apart. */
type Joined = GradientGroups | ReplicaExchange;

function groupsOf(joined: Joined): readonly Group[] {
  return 'sum' in joined ? joined.groups : [joined.scalars, joined.deltas];
}

function sentBy(groups: readonly Group[]): number {
  return groups.reduce((sum, { sentBytes }) => sum + sentBytes, 0);
}

/** Returns the elements whose gradients this member sums. */
function chunkOf(joined: Joined): Group['chunk'] | undefined {
  return 'sum' in joined ? joined.groups.at(-1)!.chunk : undefined;
}
