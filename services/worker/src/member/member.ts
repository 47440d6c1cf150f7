import {
  type ErrorCode,
  errorMessage,
  type FailureTimeouts,
  type Heartbeat,
  type Hold,
  isMaestroError,
  MaestroError,
  type MemberStatus,
  type Standing,
  type View,
  type WorkerMessage,
} from '@maestro/protocol';
import { monitorEventLoop } from '@maestro/telemetry';
import { aborted, settlesWithin } from '../process/signals.ts';
import type { WorkerOptions } from '../process/workerOptions.ts';
import type { ViewRunOptions } from '../view/viewRun.ts';
import { openMemberActivity } from './memberActivity.ts';
import type { MemberSession } from './memberSession.ts';
import { openSession } from './openSession.ts';
import { createReports } from './reports.ts';
import { suspectOf } from './suspectOf.ts';

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
  /** Resolves when it has ended and all is closed that it had opened: never where a file or a device does not answer. */
  readonly closed: Promise<void>;
}

/** What a member needs beside what its worker has. */
export interface MemberOptions extends WorkerOptions {
  readonly jobId: string;
  readonly specJson: string;
  /** This worker's id. */
  readonly self: string;
  readonly timeouts: FailureTimeouts;
  /** What the job before has open is closed: nothing is opened earlier. */
  readonly before: Promise<void>;
  readonly send: (message: WorkerMessage) => void;
}

/** The view that a member works for. */
interface Current {
  readonly view: View;
  readonly aborter: AbortController;
  readonly start: () => void;
  /** Steps after which the member wants to hold, and whether with a checkpoint. */
  holdAt: number;
  isSaved: boolean;
}

/** Starts to work for a job: opens what it needs, says `ready`, and takes views until it is released. */
export function startMember(options: MemberOptions): Member {
  const { jobId, self, collective, timeouts, dataDir, isFaultTolerant, faults, metrics, send } = options;
  const logger = options.logger.child({ job: jobId });
  const closing = new AbortController();
  const reports = createReports();
  let session: MemberSession | undefined;
  let status: MemberStatus = 'preparing';
  let generation = 0;
  let stateHash = '';
  let failure: MaestroError | undefined;
  let current: Current | undefined;
  let release: ReleaseRequest | undefined;
  let next: View | undefined;
  let wake: () => void = () => undefined;
  let stopServing: () => void = () => undefined;
  /** What the last view may still have under way in the trainer. */
  let trainerBusy: Promise<unknown> = Promise.resolve();

  const activity = openMemberActivity({
    self,
    metrics,
    sendTimes: (steps) => send({ kind: 'timed', jobId, generation, steps }),
    unacknowledged: () => reports.list().length,
  });
  const onPhase = activity.enter;
  const onCheckpointFailed = (step: number, error: unknown): void =>
    send({ kind: 'checkpointFailed', jobId, step, errorMessage: errorMessage(error) });
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
      shards: session?.offers() ?? [],
      stateLength: session?.layout.length ?? 0,
      results: session?.results ?? {},
    };
  };
  const tell = (): void => send({ kind: 'standing', ...standing() });
  const turnTo = (to: MemberStatus): void => {
    status = to;
    tell();
  };

  /** What is still under way when the member leaves. */
  const underWay: Promise<unknown>[] = [];
  /** Waits for what may hang, in a file call for one, no longer than a member that leaves may take. */
  const settled = async (work: Promise<unknown>, what: string): Promise<void> => {
    const quiet = work.catch((error: unknown) => logger.error({ error }, what));
    underWay.push(quiet);
    const isDone = await settlesWithin(
      quiet.then(() => undefined),
      timeouts.silenceMs,
    );
    if (!isDone) logger.warn({ what }, 'leaves the job before all is closed');
  };
  const open = async (): Promise<MemberSession> => {
    activity.waitFor('what the job before had open is being closed');
    await options.before;
    activity.waitFor('');
    return await openSession({
      ...options,
      logger,
      signal: closing.signal,
      onWaiting: activity.waitFor,
      onCheckpoint: (checkpoint, cost) => {
        metrics.checkpoint(cost);
        send({ kind: 'checkpoint', jobId, generation, ...checkpoint });
      },
      onCheckpointFailed,
      onSnapshotLost: () => tell(),
    });
  };
  /** Opens the session, or gives that up when the member is released meanwhile. */
  const openOrLeave = async (): Promise<MemberSession> => {
    const opening = open();
    const abandoned = aborted(closing.signal).then(async () => {
      await settled(
        opening.then((opened) => opened.close()).catch(() => undefined), // what it fails with is told below
        'opening the job',
      );
      throw closing.signal.reason;
    });
    return await Promise.race([opening, abandoned]);
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

  const follow = async (opened: MemberSession, view: View): Promise<void> => {
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
    activity.begin(view);
    metrics.view(generation);
    const isFirst = view.members[0]!.id === self;
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
        // A view that was given up may get that far while the next one is under way.
        if (!aborter.signal.aborted) activity.join(traffic);
      },
      onPhase,
      onRound: activity.round,
      onFormed: (hash) => {
        stateHash = hash;
        turnTo('formed');
      },
      onWaiting: (reason) => activity.waitFor(reason ?? ''),
      onStep: (report, rankSeconds) => {
        activity.applied(report, rankSeconds);
        if (isFaultTolerant) reports.add(report);
        if (isFirst) send({ kind: 'committed', ...report });
      },
      onSkipped: (step, images) => send({ kind: 'skipped', jobId, generation, step, images }),
      onCheckpointFailed,
      signal: aborter.signal,
    };
    const run = opened.run(working);
    trainerBusy = run.catch(() => undefined);
    // A view that is aborted is over at once; what it has under way in the trainer may take its time, unless it changes the state.
    const abandoned = aborted(aborter.signal).then(() =>
      activity.phase === 'apply' || release?.writeCheckpoint === true ? run : Promise.reject(aborter.signal.reason),
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
        sentBytes: activity.sentBytes(),
        eventLoopDelay: monitor.read(),
        ...opened.costs(),
        ...memoryBytes(),
      },
      'view over',
    );
    monitor.close();
    activity.end();
    onPhase(opened.state < 0 ? activity.step : opened.state, status);
    activity.flush();
    tell();
    // A state that was being loaded when the view was given up may be whole after all.
    const told = opened.state;
    void trainerBusy.then(() => {
      if (current === here && release === undefined && opened.state !== told) tell();
    });
  };

  /** A view that goes on without this worker, and needs what it holds of the state. */
  const serve = (opened: MemberSession, view: View): void => {
    generation = view.generation;
    const stop = opened.serve({ view, self, collective, faults });
    if (stop === undefined) return;
    stopServing = stop;
    logger.info({ generation, step: view.startStep }, 'serves its part of the state');
  };

  const leave = async (): Promise<void> => {
    const { reason, writeCheckpoint } = release!;
    onPhase(Math.max(0, session?.state ?? 0), 'stopping');
    metrics.view(undefined);
    if (writeCheckpoint) await trainerBusy;
    else await settled(trainerBusy, 'the last view');
    if (writeCheckpoint && session?.save !== undefined) {
      const { state, save } = session;
      onPhase(state, 'checkpoint');
      await save().catch((error: unknown) => {
        logger.error({ step: state, error }, 'last checkpoint failed');
        onCheckpointFailed(state, error);
      });
    }
    logger.info({ step: session?.state, reason }, 'left the job');
    await logger.flush(); // Who follows the job's log sees how it ended.
  };

  const live = async (): Promise<void> => {
    try {
      session = await openOrLeave();
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
      await settled(session.close(), 'closing the job');
      send({ kind: 'left', jobId, generation, step: session.state, outcome: 'released', errorCode: '', errorMessage: release!.reason });
    } catch (caught) {
      const error = isMaestroError(caught) ? caught : new MaestroError('internal', `internal: ${errorMessage(caught)}`, { cause: caught });
      const step = session?.state ?? -1;
      await settled(trainerBusy, 'the last view');
      if (session !== undefined) await settled(session.close(), 'closing the job');
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
      if (session?.save === undefined || (status !== 'held' && status !== 'finished')) return;
      const { state, save } = session;
      trainerBusy = trainerBusy.then(save).catch((error: unknown) => onCheckpointFailed(state, error));
    },
    release(request) {
      if (release !== undefined) return;
      release = request;
      current?.aborter.abort(asked(request.reason));
      if (session === undefined) closing.abort(asked(request.reason));
      wake();
    },
    standing,
    heartbeat: () => ({ jobId, generation, ...activity.heartbeat() }),
    ended,
    closed: ended.then(async () => void (await Promise.all(underWay))),
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
