import { type Member, type MemberHost, type OpenMemberHost, startMember } from '@maestro/member';
import {
  errorMessage,
  type FailureTimeouts,
  type Heartbeat,
  isMaestroError,
  MaestroError,
  type View,
  type WorkerMessage,
} from '@maestro/protocol';
import { monitorEventLoop } from '@maestro/telemetry';
import { aborted } from '../process/signals.ts';
import type { WorkerOptions } from '../process/workerOptions.ts';
import type { ViewRunOptions } from '../view/viewRun.ts';
import { openMemberActivity } from './memberActivity.ts';
import type { MemberSession } from './memberSession.ts';
import { openSession } from './openSession.ts';
import { createReportRoom } from './reportRoom.ts';

/** A worker's part in one job. */
export interface WorkerMember extends Member {
  heartbeat(): Heartbeat;
  /** Resolves when the member has left, for whatever reason. */
  readonly ended: Promise<void>;
  /** Resolves when it has ended and everything it opened is closed: never when a file or a device does not answer. */
  readonly closed: Promise<void>;
}

/** Options of {@link openMember}, besides those of its worker. */
export interface MemberOptions extends WorkerOptions {
  readonly jobId: string;
  readonly specJson: string;
  /** This worker's id. */
  readonly self: string;
  readonly timeouts: FailureTimeouts;
  /** Resolves when the previous job's resources are closed: nothing is opened earlier. */
  readonly before: Promise<void>;
  readonly send: (message: WorkerMessage) => void;
}

/** Starts to work for a job with this worker's data, devices and peers: `@maestro/member` decides, and this module carries it out. */
export function openMember(options: MemberOptions): WorkerMember {
  const { jobId, self, collective, timeouts, dataDir, isFaultTolerant, faults, metrics, send } = options;
  const logger = options.logger.child({ job: jobId });
  const closing = new AbortController();
  const timers = new Set<NodeJS.Timeout>();
  let session: MemberSession | undefined;
  let isLeaving = false;
  let isClosed = false;
  /** Settles when nothing of the previous views is in progress in the trainer. */
  let trainerBusy: Promise<unknown> = Promise.resolve();
  let overNow: MemberHost['viewOver'] = () => undefined;
  const [ended, onEnded] = settled();
  const [closed, onClosed] = settled();

  const activity = openMemberActivity({
    self,
    metrics,
    sendTimes: (steps) => send({ kind: 'timed', jobId, generation: member.state.generation, steps }),
    unacknowledged: () => member.state.reports.length,
  });
  const room = createReportRoom(() => member.state.reports.length);

  const open = async (tell: Parameters<OpenMemberHost>[0]): Promise<MemberSession> => {
    activity.waitFor('what the job before had open is being closed');
    await Promise.race([options.before, aborted(closing.signal)]);
    closing.signal.throwIfAborted();
    activity.waitFor('');
    return await openSession({
      ...options,
      logger,
      signal: closing.signal,
      onWaiting: activity.waitFor,
      onCheckpoint: (checkpoint, cost) => {
        metrics.checkpoint(cost);
        tell({ type: 'checkpoint', ...checkpoint });
      },
      onCheckpointFailed: (step, error) => tell({ type: 'checkpointFailed', step, message: errorMessage(error) }),
      onSnapshotLost: () => tell({ type: 'snapshotLost' }),
    });
  };

  const openHost: OpenMemberHost = (tell) => ({
    send,
    after(ms, action) {
      const timer = setTimeout(() => {
        timers.delete(timer);
        action();
      }, ms);
      timers.add(timer);
    },
    now: () => ({ step: session?.state ?? -1, canSave: session?.canSave === true, isChanging: activity.phase === 'apply' }),
    holdings: () => ({
      step: session?.state ?? -1,
      datasetLength: session?.dataset.length ?? 0,
      identityJson: session?.identityJson ?? '',
      shards: session?.offers() ?? [],
      stateLength: session?.layout.trainable.length ?? 0,
      results: session?.results ?? {},
    }),
    open() {
      open(tell).then(
        (opened) => {
          session = opened;
          if (!closing.signal.aborted) activity.enter(0, 'ready');
          tell({ type: 'opened' });
        },
        (caught: unknown) => tell({ type: 'openFailed', error: asMaestroError(caught) }),
      );
    },
    giveUpOpening: (reason) => closing.abort(reason),
    run(view) {
      const { generation } = view;
      const opened = session!;
      const aborter = new AbortController();
      const [started, start] = settled();
      const monitor = monitorEventLoop();
      const viewLogger = logger.child({ generation });
      let order = { notBefore: Number.POSITIVE_INFINITY, writeCheckpoint: false };
      let isOver = false;
      activity.begin(view);
      metrics.view(generation);
      // An abandoned run may still be active while the next one works: its phases are not the member's.
      const onPhase: ViewRunOptions['onPhase'] = (step, phase) => {
        if (!isOver) activity.enter(step, phase);
      };
      const run = runOf(opened, {
        view,
        self,
        collective,
        timeouts,
        dataDir,
        isFaultTolerant,
        faults,
        room: room.wait,
        logger: viewLogger,
        before: trainerBusy,
        started,
        isHoldWanted: (step) => step + 1 >= order.notBefore,
        isSaveWanted: (step) => order.writeCheckpoint && step + 1 >= order.notBefore,
        onJoined: (traffic) => {
          if (!isOver && !aborter.signal.aborted) activity.join(traffic);
        },
        onPhase,
        onRound: (times) => {
          if (!isOver) activity.round(times);
        },
        onFormed: (stateHash) => tell({ type: 'formed', generation, stateHash }),
        onWaiting: (reason) => {
          if (!isOver) activity.waitFor(reason ?? '');
        },
        onApplied: (report) => tell({ type: 'applied', report }),
        onStep: (report, rankSeconds) => {
          if (!isOver) activity.applied(report, rankSeconds);
          tell({ type: 'committed', report });
        },
        onSkipped: (step, images) => tell({ type: 'skipped', generation, step, images }),
        onCheckpointFailed: (step, error) => tell({ type: 'checkpointFailed', step, message: errorMessage(error) }),
        signal: aborter.signal,
      });
      trainerBusy = run.then(
        (outcome) => tell({ type: 'runEnded', generation, outcome }),
        (caught: unknown) => tell({ type: 'runFailed', generation, error: asMaestroError(caught) }),
      );
      void trainerBusy.then(() => monitor.close());
      overNow = ({ status, failure }) => {
        isOver = true;
        viewLogger.info(
          {
            step: opened.state,
            status,
            reason: failure?.message,
            sentBytes: activity.sentBytes(),
            eventLoopDelay: monitor.read(),
            ...opened.costs(),
            ...memoryBytes(),
          },
          'view over',
        );
        monitor.close();
        activity.end();
        activity.enter(opened.state < 0 ? activity.step : opened.state, status);
        activity.flush();
      };
      return {
        start,
        hold({ notBefore, writeCheckpoint }) {
          order = { notBefore, writeCheckpoint };
        },
        abort: (reason) => aborter.abort(reason),
      };
    },
    viewOver: (over) => overNow(over),
    serve(view: View) {
      const stop = session!.serve({ view, self, collective, faults });
      if (stop === undefined) return () => undefined;
      logger.info({ generation: view.generation, step: view.startStep }, 'serves its part of the state');
      return stop;
    },
    save() {
      const write = async (): Promise<void> => {
        const opened = session!;
        const step = opened.state;
        if (isLeaving) activity.enter(step, 'checkpoint');
        try {
          await opened.save();
          tell({ type: 'saved' });
        } catch (error) {
          if (isLeaving) logger.error({ step, error }, 'last checkpoint failed');
          tell({ type: 'saveFailed', step, message: errorMessage(error) });
        }
      };
      trainerBusy = trainerBusy.then(write);
    },
    leaving() {
      isLeaving = true;
      activity.enter(Math.max(0, session?.state ?? 0), 'stopping');
      metrics.view(undefined);
    },
    close({ outcome, reason, error, step }) {
      if (outcome === 'failed') logger.error({ step, error }, 'member failed');
      else if (error === undefined) logger.info({ step, reason }, 'left the job');
      const close = async (): Promise<void> => {
        // Followers of the job's log see how it ended.
        await logger.flush();
        await session?.close();
      };
      close()
        .catch((caught: unknown) => logger.error({ error: caught }, 'closing the job'))
        .finally(() => {
          isClosed = true;
          tell({ type: 'closed' });
        });
    },
    ended() {
      for (const timer of timers) clearTimeout(timer);
      if (!isClosed) logger.warn('leaves the job before all is closed');
      onEnded();
    },
    closed: onClosed,
  });

  const member = startMember({ jobId, self, isFaultTolerant, leaveMs: timeouts.silenceMs, openHost });
  return {
    ...member,
    get state() {
      return member.state;
    },
    acknowledge(step) {
      member.acknowledge(step);
      room.look();
    },
    heartbeat: () => ({ jobId, generation: member.state.generation, ...activity.heartbeat() }),
    ended,
    closed,
  };
}

/** An async wrapper, so that a run that fails to begin rejects. */
async function runOf(session: MemberSession, options: Omit<ViewRunOptions, 'session'>): Promise<'finished' | 'held'> {
  return await session.run(options);
}

function asMaestroError(caught: unknown): MaestroError {
  return isMaestroError(caught) ? caught : new MaestroError('internal', `internal: ${errorMessage(caught)}`, { cause: caught });
}

/** Returns a promise, and the function that resolves it. */
function settled(): [Promise<void>, () => void] {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return [promise, resolve];
}

function memoryBytes(): { readonly rssBytes: number; readonly peakRssBytes: number } {
  return { rssBytes: process.memoryUsage.rss(), peakRssBytes: process.resourceUsage().maxRSS * 1024 };
}
