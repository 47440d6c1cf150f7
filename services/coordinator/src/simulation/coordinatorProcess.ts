import type { CoordinatorMessage, WorkerMessage } from '@maestro/protocol';
import type { Logger } from '@maestro/telemetry';
import { openJobBoard } from '../jobs/jobBoard.ts';
import { newJob } from '../jobs/jobView.ts';
import type { CoordinatorEvents } from '../metrics/observer.ts';
import type { ActiveJob } from '../run/activeJob.ts';
import type { Clock } from '../run/clock.ts';
import { type JobRun, newWorker, queuedRun, type RunEvent } from '../run/state/runState.ts';
import type { IsGone, WorkerConnection } from '../workers/workerRegistry.ts';
import { type BooksModel, openBooksModel, type Stored } from './booksModel.ts';
import type { CoordinatorEnd, Listener } from './control.ts';
import { lineageOf, newestCheckpoint, viewText, type World } from './world.ts';

const TICK_MS = 500;
const RIVAL = 'rival';

/** A coordinator process in virtual time: the very job board that coordinators run, on a clock, books and wires of the simulation. */
export interface CoordinatorProcess extends Listener {
  readonly run: JobRun;
  dispatch(event: RunEvent): void;
  drainWorker(name: string): void;
  /** Another job asks for workers, and goes away again after `forMs`. It does not outlive the process. */
  compete(priority: number, minWorkers: number, forMs: number): void;
  cancel(): void;
  crash(): void;
  /** Redis forgot its last second; what this process knows is written again. */
  rewrite(): void;
  isDrained(id: string): boolean;
}

/** What a coordinator process is started with. */
export interface CoordinatorProcessOptions {
  readonly isGone: IsGone;
  /** Checks a new view against what is really so; the world's matter. */
  readonly onView: (run: JobRun) => void;
  /** A message has come from a worker, or goes to it. */
  readonly onMessage: (kind: (CoordinatorMessage | WorkerMessage)['kind'], workerId: string) => void;
  readonly incarnation: number;
}

/** Starts a coordinator on what Redis holds. */
export function startCoordinatorProcess(
  world: World,
  stored: Stored,
  { isGone, onView, onMessage, incarnation }: CoordinatorProcessOptions,
): CoordinatorProcess {
  const { note, violate, views } = world;
  let isUp = true;
  /** Nothing that a dead process has asked for comes to be. */
  const clock: Clock = {
    get nowMs() {
      return world.clock.nowMs;
    },
    after(delayMs, action) {
      let isOff = false;
      world.clock.after(delayMs, () => {
        if (isUp && !isOff) action();
      });
      return () => {
        isOff = true;
      };
    },
    soon: (action) => void clock.after(0, action),
  };
  let books: BooksModel | undefined;
  let countedStep = stored.run.step;
  const recordedView = stored.run.generation;
  const ownViews = new Set<number>();

  const log = {
    warn(fields: { readonly worker?: string; readonly kind?: string; readonly reason?: string }, message: string) {
      if (message === 'message not believed') note(`  not believed: ${fields.worker}, ${fields.kind}: ${fields.reason}`);
    },
    info: () => undefined,
    debug: () => undefined,
    error: () => undefined,
  } as unknown as Logger;

  const moved: CoordinatorEvents['moved'] = (before, after) => {
    if (after.phase !== before.phase || after.message !== before.message) note(`job is ${after.phase}: ${after.message}`);
    for (const record of after.records.slice(before.records.length)) note(`  ${record.type}: ${record.message}`);
    if (after.step < before.step) violate(`the job went back from step ${before.step} to ${after.step}`);
    if (after.generation < before.generation) violate(`the generation fell from ${before.generation} to ${after.generation}`);
  };
  const board = openJobBoard({
    clock,
    timeouts: world.timeouts,
    incarnation: { current: incarnation, raise: () => undefined },
    openBooks(_job, _seed, onAcknowledged) {
      books = openBooksModel(world, stored, { clock, onAcknowledged });
      return books;
    },
    onSettled: () => Promise.resolve(),
    findCheckpoint(_job, _spec, { found }) {
      clock.after(world.dice.between(5, 300), () => found({ point: newestCheckpoint(world), note: '' }));
    },
    isGone,
    events: {
      moved,
      message: () => undefined,
      gone: () => undefined,
      committed(_job, { step, metrics }) {
        if (step <= countedStep) violate(`step ${step} counts twice`);
        countedStep = step;
        if (metrics['loss'] !== lineageOf(step)) violate(`the ledger is given another step ${step} than there is`);
      },
      recomputed: () => undefined,
    },
    log,
  });
  const active = board.add({ job: stored.job, spec: world.spec, run: stored.run });

  /** What is sent is checked against what was decided, and against what is persisted. */
  const check = (workerId: string, message: CoordinatorMessage): void => {
    if (message.kind === 'view') {
      const { generation } = message;
      const text = viewText(message);
      const known = views.get(generation);
      if (known !== undefined && known !== text) violate(`view ${generation} is two views: ${known}; and ${text}`);
      if (known !== undefined && !ownViews.has(generation) && generation > recordedView)
        violate(`view ${generation} was sent before by an earlier coordinator, which did not record it`);
      ownViews.add(generation);
      if (known !== undefined) return;
      const newest = Math.max(0, ...views.keys());
      if (generation < newest) violate(`view ${generation} is new, but there was view ${newest}`);
      note(`view ${generation}: ${text}`);
      views.set(generation, text);
      if (active.run.generation === generation && active.run.view !== undefined) onView(active.run);
    } else if (message.kind === 'release' && message.reason === active.run.outcome?.message) {
      const { phase } = stored.run;
      if (phase !== 'stopping' && phase !== 'ended') violate(`${workerId} is told of an end that is not persisted`);
    }
  };

  /** A job that works, as far as its workers can tell, without doing anything. */
  const rivalJob = (priority: number, minWorkers: number): ActiveJob => {
    const spec = { ...world.spec, priority, resources: { ...world.spec.resources, minWorkers, maxWorkers: minWorkers } };
    let run = queuedRun({ id: RIVAL, spec, startPoint: { path: '', step: 0 } }, incarnation, clock.nowMs);
    return {
      spec,
      job: newJob({ id: RIVAL, spec, specJson: '', now: '' }),
      get run() {
        return run;
      },
      unwrittenSteps: 0,
      isBooked: true,
      listeners: new Set(),
      dispatch(event) {
        if (event.type === 'disconnected') run = { ...run, workers: run.workers.filter(({ id }) => id !== event.workerId) };
        else if (event.type === 'preempt' || event.type === 'drain') withdraw();
        else if (event.type === 'assigned') {
          note(`the rival has ${event.workers.map(({ name }) => name).join(' ')}`);
          const isShared = event.workers.some(({ id }) => active.run.workers.some((worker) => worker.id === id));
          if (isShared) violate('the rival has a worker of the job');
          run = { ...run, phase: 'running', workers: [...run.workers, ...event.workers.map((each) => newWorker(each, clock.nowMs))] };
        }
      },
      whenSettled: (action) => action(),
      settled: () => Promise.resolve(),
      noteSkipped: () => undefined,
      amend: () => undefined,
      tick: () => undefined,
      close: () => Promise.resolve(),
    };
  };
  const withdraw = (): void => {
    board.jobs.delete(RIVAL);
    for (const worker of board.workers.all()) if (worker.jobId === RIVAL) worker.jobId = '';
    board.placer.placeSoon();
  };
  const tick = (): void => {
    board.tick();
    clock.after(TICK_MS, tick);
  };

  if (incarnation > 1 && active.run.phase !== 'ended') active.dispatch({ type: 'recovered', incarnation });
  clock.after(TICK_MS, tick);

  return {
    get run() {
      return active.run;
    },
    dispatch: active.dispatch,
    isDrained: (id) => board.workers.get(id)?.isDrained === true,
    drainWorker(name) {
      if (board.workers.all().some(({ hello }) => hello.name === name)) board.drainWorker(name);
    },
    compete(priority, minWorkers, forMs) {
      if (board.jobs.has(RIVAL)) return;
      board.jobs.set(RIVAL, rivalJob(priority, minWorkers));
      board.placer.placeSoon();
      clock.after(forMs, () => {
        if (board.jobs.has(RIVAL)) withdraw();
      });
    },
    cancel() {
      active.dispatch({ type: 'cancel', reason: 'on request' });
      active.whenSettled(() => {
        if (active.run.outcome?.state === 'cancelled') stored.isCancelTold = true;
      });
    },
    crash() {
      isUp = false;
    },
    rewrite: () => books?.rewrite(),
    attach(hello, stream): CoordinatorEnd | undefined {
      if (!isUp) return undefined;
      const connection: WorkerConnection = {
        send(message) {
          check(hello.id, message);
          stream.send(message);
          onMessage(message.kind, hello.id);
        },
        close: stream.close,
      };
      try {
        const session = board.attach(hello, connection);
        return {
          receive(message) {
            if (!isUp) return;
            session.receive(message);
            onMessage(message.kind, hello.id);
          },
          closed: (evidence) => (isUp ? session.closed(evidence) : undefined),
        };
      } catch (error) {
        if ((error as { readonly code?: string }).code === undefined) throw error;
        note(`  not taken on: ${(error as Error).message}`);
        return undefined;
      }
    },
  };
}
