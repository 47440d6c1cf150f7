import { type Collective, type Group, type LocalStep, treeSubtrees } from '@maestro/collective';
import { openShardQueue } from '@maestro/data';
import { type FailureTimeouts, MaestroError, type SkippedImage, type StepCommitted, type View } from '@maestro/protocol';
import type { Logger } from '@maestro/telemetry';
import type { Faults } from './faults.ts';
import { heal, serveTo } from './heal.ts';
import type { JobSession } from './jobSession.ts';
import { createReplicated } from './replicated.ts';
import type { Reports } from './reports.ts';
import { restore } from './restore.ts';
import { createSharded } from './sharded.ts';
import { openShardReader, type ShardReader } from './shardReader.ts';
import { pullShards, serveShards } from './shardTransfer.ts';
import { type Phase, SCALARS_PER_RANK, type StepReport, trainLoop } from './trainLoop.ts';

/** One view, as its member sees it. */
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
  readonly reports: Reports;
  readonly logger: Logger;
  /** What an earlier view had under way in the trainer; nothing is asked of the trainer before it has ended. */
  readonly before: Promise<unknown>;
  /** Resolves when all members have formed. */
  readonly started: Promise<void>;
  readonly isHoldWanted: (step: number) => boolean;
  /** Whether the hold that is wanted after the step comes with a checkpoint. */
  readonly isSaveWanted: (step: number) => boolean;
  readonly onGroup: (group: Group) => void;
  readonly onPhase: (step: number, phase: Phase) => void;
  /** The member is connected to all its peers; `stateHash` when it restored or initialised its state itself. */
  readonly onFormed: (stateHash: string) => void;
  readonly onWaiting: (reason: string | undefined) => void;
  readonly onStep: (report: StepCommitted, rankSeconds: number) => void;
  readonly onSkipped: (step: number, images: readonly SkippedImage[]) => void;
  readonly signal: AbortSignal;
}

/**
 * Works for one view: joins its collective, comes to the state of its first step, and trains. Whoever lacks the state pulls it from a peer
 * while the others compute: none of them can apply that step before this member has added its part.
 *
 * @throws the signal's reason, or a MaestroError of what broke the view; `session.state` says what the trainer holds then.
 */
export async function runView(options: ViewRunOptions): Promise<'finished' | 'held'> {
  const { session, view, self, collective, timeouts, faults, reports, logger, before, started, onPhase, onGroup, onWaiting, signal } =
    options;
  const { schedule, trainer, checkpointer, redis, jobId, isSharded } = session;
  const { generation, members, startStep, sources, holders } = view;
  const me = members.find(({ id }) => id === self)!;
  const isFirst = members[0]!.id === self;
  const local = treeSubtrees(me.firstRank, me.ranks, schedule.virtualRanks);
  const closers: (() => unknown)[] = [];
  const over = new AbortController();

  try {
    onPhase(startStep, 'forming');
    const joining = collective.join({
      job: jobId,
      generation,
      members,
      self,
      partials: trainer.partials.map(({ parts }) => parts.map(({ floats }) => floats)),
      reduced: trainer.reduced.parts.map(({ floats }) => floats),
      scalarsPerRank: SCALARS_PER_RANK,
      joinTimeoutMs: timeouts.joinMs,
      signal,
    });
    // Whoever restores must not leave the group to nobody when that fails.
    joining.then((group) => closers.push(() => group.close())).catch(() => undefined);
    await before;
    signal.throwIfAborted();
    if (isSharded) await trainer.own((await joining).chunk);
    const isRestored = sources.length === 0 && holders.length === 0;
    const stateHash = isRestored ? await restore({ session, view, dataDir: options.dataDir, isFirst, logger, signal }) : '';
    const group = await joining;
    if (isRestored && isSharded) session.shards = [{ step: startStep, ...group.chunk, isWhole: true }];
    onGroup(group);
    const abort = (): void => group.abort(signal.reason as MaestroError);
    signal.addEventListener('abort', abort, { once: true });
    closers.push(() => signal.removeEventListener('abort', abort));
    if (signal.aborted) abort();

    const openShards = async (): Promise<ShardReader> => {
      const queue = await openShardQueue({ redis, jobId, generation, virtualRanks: schedule.virtualRanks });
      closers.push(() => queue.close());
      const virtualRanks = local.steps.flatMap((step: LocalStep) => (step.op === 'leaf' ? [step.rank] : []));
      return openShardReader({ queue, schedule, virtualRanks, onWaiting, signal: AbortSignal.any([signal, over.signal]) });
    };
    const shards = options.isFaultTolerant ? await openShards() : WITHOUT_LEASES;
    closers.push(() => shards.close());
    if (holders.some(({ id }) => id === self)) {
      closers.push(serveShards({ session, view, self, collective, faults }));
    } else if (!isSharded && sources.includes(self) && sources.length < members.length) {
      closers.push(serveTo({ session, view, self, collective, faults }));
    }
    options.onFormed(stateHash);
    await Promise.race([started, aborted(signal)]);
    signal.throwIfAborted();

    if (isSharded && !isRestored) {
      onPhase(startStep, 'heal');
      await pullShards({ session, view, self, collective, faults, chunk: group.chunk, logger, signal });
    } else if (session.state !== startStep) {
      onPhase(startStep, 'heal');
      await heal({ session, view, self, collective, faults, logger, signal });
    }
    await trainer.clearTree();
    const committed = ({ rankSeconds: _own, ...report }: StepReport): StepCommitted => ({ jobId, generation, ...report });
    const replication = isSharded
      ? createSharded({
          session,
          group,
          isWriter: isFirst,
          isSaveAsked: options.isSaveWanted,
          onApplied: (report) => {
            if (options.isFaultTolerant) reports.add(committed(report));
          },
          faults,
        })
      : createReplicated({ trainer, group, faults, signal });
    const outcome = await trainLoop({
      ...session,
      startStep,
      program: local.steps,
      shards,
      replication,
      isHoldWanted: options.isHoldWanted,
      faults,
      onPhase,
      onSkipped: options.onSkipped,
      onStep: async (report, isSaved) => {
        const { step, loss } = report;
        session.state = step;
        options.onStep(committed(report), report.rankSeconds);
        await reports.room(signal, () => onPhase(step, 'report'));
        if (!isFirst) return;
        onPhase(step - 1, 'checkpoint');
        // The last one is written below, and waited for.
        if (step === schedule.totalSteps) return;
        if (!isSharded) await checkpointer.stepDone(step, { loss });
        else if (isSaved) await checkpointer.begin(step, { loss });
      },
      signal,
    });
    if (outcome === 'finished' && isFirst) {
      onPhase(schedule.totalSteps, 'checkpoint');
      await checkpointer.write(schedule.totalSteps);
    }
    return outcome;
  } finally {
    over.abort(new MaestroError('cancelled', 'the view is over'));
    for (const close of closers.reverse()) await close();
  }
}

/** For the bench of what leasing costs. */
const WITHOUT_LEASES: ShardReader = { enter: async () => undefined, leave: () => undefined, close: async () => undefined };

function aborted(signal: AbortSignal): Promise<void> {
  return signal.aborted ? Promise.resolve() : new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
