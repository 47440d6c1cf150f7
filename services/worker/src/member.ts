import {
  type ErrorCode,
  errorMessage,
  type FailureTimeouts,
  type Heartbeat,
  type Hold,
  isMaestroError,
  MaestroError,
  type MemberStatus,
  parseJobSpec,
  requireConfined,
  type Standing,
  type View,
  type WorkerMessage,
} from '@maestro/protocol';
import { monitorEventLoop } from '@maestro/telemetry';
import { type JobSession, openJobSession } from './jobSession.ts';
import { type KnnSession, openKnnSession } from './knnSession.ts';
import { runKnnView } from './knnView.ts';
import { createReports } from './reports.ts';
import { serveShards } from './shardTransfer.ts';
import { aborted, pause } from './signals.ts';
import { openStepClock } from './stepClock.ts';
import { openStepTimesReport } from './stepTimesReport.ts';
import { suspectOf } from './suspectOf.ts';
import type { Phase } from './trainLoop.ts';
import { runView, type ViewRunOptions, type ViewTraffic } from './viewRun.ts';
import type { WorkerOptions } from './worker.ts';

/** What ends a view but not the member: the coordinator forms another one. All else ends the member's part in the job. */
const HELD_BY: ReadonlySet<ErrorCode> = new Set([
  'peer-lost',
  'timeout',
  'protocol-violation',
  'unavailable',
  'conflict',
  'cancelled',
  'redis-unavailable',
  'checkpoint-invalid',
]);
/** Between two attempts to open what a job needs while Redis or a file system is away, in milliseconds. */
const REOPEN_MS = 1000;
/** How much the newest step counts in the mean computing time of a virtual rank. */
const RANK_WEIGHT = 0.3;

/** Why a member is to leave its job. */
export interface ReleaseRequest {
  readonly reason: string;
  /** Whether it writes a checkpoint of its state before it leaves. */
  readonly writeCheckpoint: boolean;
}

/** A worker's part in one job: it opens what the job needs once, and works for one view after the other. */
export interface Member {
  readonly jobId: string;
  /** The next view; one that is not newer than the last is ignored. */
  view(view: View): void;
  go(generation: number): void;
  hold(hold: Hold): void;
  /** The ledger has all steps up to `step`. */
  acknowledge(step: number): void;
  /** Writes a checkpoint while it waits for a view. */
  save(): void;
  /** Ends the work at the next chance. The first request counts. */
  release(request: ReleaseRequest): void;
  standing(): Standing;
  heartbeat(): Heartbeat;
  /** Resolves when the member has left, for whatever reason. */
  readonly ended: Promise<void>;
}

/** What a member needs beside what its worker has. */
export interface MemberOptions extends WorkerOptions {
  readonly jobId: string;
  readonly specJson: string;
  /** This worker's id. */
  readonly self: string;
  readonly timeouts: FailureTimeouts;
  readonly send: (message: WorkerMessage) => void;
}

/** What a worker has open for a job, by the job's recipe. */
type Session = JobSession | KnnSession;

/** The view that a member works for. */
interface Current {
  readonly view: View;
  readonly aborter: AbortController;
  readonly start: () => void;
  /** Steps after which the member wants to hold, and whether with a checkpoint. */
  holdAt: number;
  isSaved: boolean;
  traffic?: ViewTraffic;
}

/** Starts to work for a job: opens what it needs, says `ready`, and takes views until it is released. */
export function startMember(options: MemberOptions): Member {
  const { jobId, specJson, self, collective, timeouts, dataDir, isFaultTolerant, faults, metrics, send } = options;
  const logger = options.logger.child({ job: jobId });
  const closing = new AbortController();
  const reports = createReports();
  let session: Session | undefined;
  let status: MemberStatus = 'preparing';
  let generation = 0;
  let stateHash = '';
  let failure: MaestroError | undefined;
  let activity: { step: number; phase: Phase; sinceMs: number } = { step: 0, phase: 'preparing', sinceMs: performance.now() };
  let waitingFor = '';
  let rankSeconds = 0;
  let current: Current | undefined;
  let release: ReleaseRequest | undefined;
  let next: View | undefined;
  let wake: () => void = () => undefined;
  let stopServing: () => void = () => undefined;
  /** What the last view may still have under way in the trainer. */
  let trainerBusy: Promise<unknown> = Promise.resolve();

  /** Images of this member in the step under way, and bytes of its view that were counted. */
  let images = 0;
  let counted = { sent: 0, received: 0 };
  const timesReport = openStepTimesReport({ send: (steps) => send({ kind: 'timed', jobId, generation, steps }) });
  const clock = openStepClock({
    onStep: (times) => {
      timesReport.add(times);
      metrics.step(times, images);
      metrics.unacknowledged(reports.list().length);
    },
  });
  const countTraffic = (): void => {
    const bytes = current?.traffic?.bytes();
    if (bytes === undefined) return;
    metrics.traffic({ sent: bytes.sent - counted.sent, received: bytes.received - counted.received });
    counted = bytes;
  };

  const onPhase = (step: number, phase: Phase): void => {
    clock.enter(phase);
    activity = { step, phase, sinceMs: performance.now() };
  };
  const standing = (): Standing => {
    const suspect = failure === undefined || current === undefined ? '' : suspectOf(failure, current.view, self);
    return {
      jobId,
      generation,
      status,
      step: session?.state ?? -1,
      datasetLength: session?.dataset.length ?? 0,
      identityJson: session?.identityJson ?? '',
      stateHash,
      reports: reports.list(),
      errorCode: failure?.code ?? '',
      errorMessage: withNames(failure?.message ?? '', current?.view),
      suspect,
      shards: session?.recipe === 'mae-pretrain' ? [...session.shards, ...session.snapshots.offers()] : [],
      stateLength: session?.layout.length ?? 0,
      results: session?.recipe === 'knn' ? session.results : {},
    };
  };
  const turnTo = (to: MemberStatus): void => {
    status = to;
    send({ kind: 'standing', ...standing() });
  };

  const open = async (): Promise<Session> => {
    const spec = parseJobSpec(JSON.parse(specJson));
    // Links may lead elsewhere on this machine than on the coordinator's.
    await requireConfined(spec, options.roots);
    for (;;) {
      try {
        const common = { ...options, spec, logger, signal: closing.signal };
        if (spec.recipe === 'knn') return await openKnnSession(common);
        return await openJobSession({
          ...common,
          onCheckpoint: (checkpoint, cost) => {
            metrics.checkpoint(cost);
            send({ kind: 'checkpoint', jobId, generation, ...checkpoint });
          },
          onCheckpointFailed: (step, error) => send({ kind: 'checkpointFailed', jobId, step, errorMessage: errorMessage(error) }),
          onSnapshotLost: () => send({ kind: 'standing', ...standing() }),
        });
      } catch (error) {
        const isPassing = isMaestroError(error, 'redis-unavailable') || isMaestroError(error, 'unavailable');
        if (!isPassing || closing.signal.aborted) throw error;
        waitingFor = errorMessage(error);
        logger.warn({ error }, 'opening the job failed, trying again');
        await pause(REOPEN_MS, closing.signal);
        waitingFor = '';
      }
    }
  };

  const nextView = async (): Promise<View | undefined> => {
    while (release === undefined && next === undefined) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    const view = next;
    next = undefined;
    return release === undefined ? view : undefined;
  };

  const follow = async (opened: Session, view: View): Promise<void> => {
    const aborter = new AbortController();
    let start: () => void = () => undefined;
    const started = new Promise<void>((resolve) => {
      start = resolve;
    });
    const here: Current = { view, aborter, start, holdAt: Number.POSITIVE_INFINITY, isSaved: false };
    current = here;
    generation = view.generation;
    status = 'forming';
    stateHash = '';
    failure = undefined;
    counted = { sent: 0, received: 0 };
    metrics.view(generation);
    const isFirst = view.members[0]!.id === self;
    const { firstRank, ranks } = view.members.find(({ id }) => id === self)!;
    const viewLogger = logger.child({ generation });
    const monitor = monitorEventLoop();
    const working: Omit<ViewRunOptions, 'session'> = {
      view,
      self,
      collective,
      timeouts,
      dataDir,
      isFaultTolerant,
      faults,
      reports,
      logger: viewLogger,
      before: trainerBusy,
      started,
      isHoldWanted: (step) => step + 1 >= here.holdAt,
      isSaveWanted: (step) => here.isSaved && step + 1 >= here.holdAt,
      onJoined: (traffic) => {
        here.traffic = traffic;
      },
      onPhase,
      onRound: clock.round,
      onFormed: (hash) => {
        stateHash = hash;
        turnTo('formed');
      },
      onWaiting: (reason) => {
        waitingFor = reason ?? '';
      },
      onStep: (report, seconds) => {
        rankSeconds = rankSeconds === 0 ? seconds : rankSeconds * (1 - RANK_WEIGHT) + seconds * RANK_WEIGHT;
        images = report.ranks.slice(firstRank, firstRank + ranks).reduce((sum, share) => sum + share.images, 0);
        clock.applied(report.step);
        countTraffic();
        if (isFaultTolerant) reports.add(report);
        if (isFirst) send({ kind: 'committed', ...report });
      },
      onSkipped: (step, images) => send({ kind: 'skipped', jobId, generation, step, images }),
      onCheckpointFailed: (step, error) => {
        send({ kind: 'checkpointFailed', jobId, step, errorMessage: errorMessage(error) });
      },
      signal: aborter.signal,
    };
    const run = opened.recipe === 'knn' ? runKnnView({ ...working, session: opened }) : runView({ ...working, session: opened });
    trainerBusy = run.catch(() => undefined);
    // A view that is aborted is over at once; what it has under way in the trainer may take its time, unless it changes the state.
    const abandoned = aborted(aborter.signal).then(() =>
      activity.phase === 'apply' || release !== undefined ? run : Promise.reject(aborter.signal.reason),
    );
    try {
      status = (await Promise.race([run, abandoned])) as 'held' | 'finished';
    } catch (caught) {
      const error = isMaestroError(caught) ? caught : new MaestroError('internal', `internal: ${errorMessage(caught)}`, { cause: caught });
      aborter.abort(error);
      if (!HELD_BY.has(error.code)) throw error;
      if (!(error.details['isAsked'] === true)) failure = error;
      status = 'held';
    }
    viewLogger.info(
      {
        step: opened.state,
        status,
        reason: failure?.message,
        sentBytes: here.traffic?.sentBytes(),
        eventLoopDelay: monitor.read(),
        ...(opened.recipe === 'mae-pretrain' && opened.isSharded && { snapshots: opened.snapshots.cost() }),
        ...memoryBytes(),
      },
      'view over',
    );
    monitor.close();
    waitingFor = '';
    countTraffic();
    delete here.traffic;
    onPhase(opened.state < 0 ? activity.step : opened.state, status);
    timesReport.flush();
    send({ kind: 'standing', ...standing() });
    // A state that was being loaded when the view was given up may be whole after all.
    const told = opened.state;
    void trainerBusy.then(() => {
      if (current === here && release === undefined && opened.state !== told) send({ kind: 'standing', ...standing() });
    });
  };

  /** A view that goes on without this worker, and needs what it holds of the state. */
  const serve = (opened: Session, view: View): void => {
    generation = view.generation;
    if (opened.recipe === 'knn') return;
    stopServing = serveShards({ session: opened, view, self, collective, faults });
    logger.info({ generation, step: view.startStep }, 'serves its part of the state');
  };

  const leave = async (): Promise<void> => {
    const { reason, writeCheckpoint } = release!;
    onPhase(Math.max(0, session?.state ?? 0), 'stopping');
    metrics.view(undefined);
    await trainerBusy;
    if (writeCheckpoint && session?.recipe === 'mae-pretrain' && session.state >= 0) {
      const { state, checkpointer } = session;
      onPhase(state, 'checkpoint');
      await checkpointer.write(state).catch((error: unknown) => {
        logger.error({ step: state, error }, 'last checkpoint failed');
        send({ kind: 'checkpointFailed', jobId, step: state, errorMessage: errorMessage(error) });
      });
    }
    logger.info({ step: session?.state, reason }, 'left the job');
    await logger.flush(); // Who follows the job's log sees how it ended.
  };

  const live = async (): Promise<void> => {
    try {
      session = await open();
      onPhase(0, 'ready');
      turnTo('ready');
      for (let view = await nextView(); view !== undefined; view = await nextView()) {
        stopServing();
        stopServing = () => undefined;
        if (view.members.some(({ id }) => id === self)) await follow(session, view);
        else serve(session, view);
      }
      stopServing();
      await leave();
      await session.close();
      send({ kind: 'left', jobId, generation, step: session.state, outcome: 'released', errorCode: '', errorMessage: release!.reason });
    } catch (caught) {
      const error = isMaestroError(caught) ? caught : new MaestroError('internal', `internal: ${errorMessage(caught)}`, { cause: caught });
      const step = session?.state ?? -1;
      await trainerBusy;
      await session?.close().catch((failed: unknown) => logger.error({ error: failed }, 'closing the job failed'));
      const isReleased = release !== undefined && error.code === 'cancelled';
      if (!isReleased) logger.error({ step, error }, 'member failed');
      await logger.flush();
      const outcome = isReleased ? 'released' : 'failed';
      send({ kind: 'left', jobId, generation, step, outcome, errorCode: error.code, errorMessage: error.message });
    }
  };
  const ended = live();

  return {
    jobId,
    view(view) {
      if (view.generation <= Math.max(generation, next?.generation ?? 0)) return;
      current?.aborter.abort(asked('a newer view came'));
      next = view;
      wake();
    },
    go(goGeneration) {
      if (goGeneration !== generation || current === undefined || status !== 'formed') return;
      status = 'working';
      current.start();
    },
    hold({ generation: of, isAbort, notBefore, writeCheckpoint, reason }) {
      if (of !== generation || current === undefined) return;
      if (isAbort) current.aborter.abort(asked(reason));
      else Object.assign(current, { holdAt: notBefore, isSaved: writeCheckpoint });
    },
    acknowledge: (step) => reports.acknowledge(step),
    save() {
      if (session?.recipe !== 'mae-pretrain' || session.state < 0 || (status !== 'held' && status !== 'finished')) return;
      const { state, checkpointer } = session;
      trainerBusy = trainerBusy
        .then(() => checkpointer.write(state))
        .catch((error: unknown) => send({ kind: 'checkpointFailed', jobId, step: state, errorMessage: errorMessage(error) }));
    },
    release(request) {
      if (release !== undefined) return;
      release = request;
      current?.aborter.abort(asked(request.reason));
      if (session === undefined) closing.abort(asked(request.reason));
      wake();
    },
    standing,
    heartbeat() {
      const { step, phase, sinceMs } = activity;
      const peers = current?.traffic?.waiting() ?? [];
      const names = peers.map(
        ({ member, phase: at }) => `${current!.view.members.find(({ id }) => id === member)?.name ?? member} at ${at}`,
      );
      return {
        jobId,
        generation,
        step,
        phase,
        phaseSeconds: (performance.now() - sinceMs) / 1000,
        waitingFor: names.join(', ') || waitingFor,
        rankSeconds,
      };
    },
    ended,
  };
}

/** The reason of a view's end that the coordinator asked for: nobody is to blame. */
function asked(reason: string): MaestroError {
  return new MaestroError('cancelled', reason, { details: { isAsked: true } });
}

/** Ids are for programs: people know members by name. */
function withNames(message: string, view: View | undefined): string {
  return (view?.members ?? []).reduce((text, { id, name }) => text.replaceAll(id, name), message);
}

function memoryBytes(): { readonly rssBytes: number; readonly peakRssBytes: number } {
  return { rssBytes: process.memoryUsage.rss(), peakRssBytes: process.resourceUsage().maxRSS * 1024 };
}
