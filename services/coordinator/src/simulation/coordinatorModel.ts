import type { CoordinatorMessage, Hello, Left, Standing, StepCommitted } from '@maestro/protocol';
import { createOutbox, isDecision } from '../books/outbox.ts';
import { placeJobs } from '../placement/placement.ts';
import { placementInput } from '../placement/placementInput.ts';
import { transition } from '../run/jobRun.ts';
import { type JobRun, newWorker, queuedRun, type RunEffect, type RunEvent } from '../run/state/runState.ts';
import type { WorkerRef } from '../run/view/assignRanks.ts';
import { judgeStanding, whyUnbelievable } from '../workers/judgeMessage.ts';
import { workerEvent } from '../workers/workerEvent.ts';
import type { CoordinatorEnd, Listener } from './control.ts';
import { lineageOf, newestCheckpoint, viewText, type World } from './world.ts';

const TICK_MS = 500;
const SAVE_EVERY_MS = 1000;
const RIVAL = 'rival';

/** What Redis holds of the job. */
export interface Stored {
  run: JobRun;
  /** Steps that the ledger has. */
  ledger: number;
  /** Steps that it has though nobody reported them. */
  unknown: number;
  /** The outcome that somebody was told. */
  outcome: string | undefined;
  /** Whoever cancelled it was told that it is. */
  isCancelTold: boolean;
}

/** A coordinator process: what `coordinator.ts` and `activeJob.ts` do around `transition`. */
export interface CoordinatorModel extends Listener {
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

interface Connected {
  readonly hello: Hello;
  readonly stream: { send(message: CoordinatorMessage): void; close(): void };
  jobId: string;
  isDrained: boolean;
}

/** Checks of a new view against what is really so; the world's matter. */
export type OnView = (run: JobRun) => void;

/** Starts a coordinator on what Redis holds. */
export function startCoordinatorModel(
  world: World,
  stored: Stored,
  {
    isProcessDead,
    onView,
    incarnation,
  }: { readonly isProcessDead: (id: string) => boolean; readonly onView: OnView; readonly incarnation: number },
): CoordinatorModel {
  const { clock, dice, timeouts, note, violate, views, jobId } = world;
  const workers = new Map<string, Connected>();
  let run = stored.run;
  const startedMs = clock.nowMs;
  let rival: JobRun | undefined;
  let isUp = true;
  let ledger = stored.ledger;
  const offered = new Map<number, StepCommitted>();
  let acknowledgedSent = 0;
  let isSearching = false;
  let lastSavedMs = 0;
  let isSaveDue = false;
  const queue: RunEvent[] = [];
  const outbox = createOutbox();
  let onSaved: (() => void)[] = [];
  /** As this process wrote it last. */
  let writtenPhase = run.phase;
  let isDispatching = false;

  const after = (delayMs: number, action: () => void): void =>
    clock.after(delayMs, () => {
      if (isUp) action();
    });
  const save = (): void => {
    if (isSaveDue) return;
    isSaveDue = true;
    const write = (): void => {
      if (!world.isRedisUp) return after(100, write);
      isSaveDue = false;
      stored.run = run;
      writtenPhase = run.phase;
      const written = onSaved;
      onSaved = [];
      for (const tell of written) tell();
      // Nobody is told before it is written.
      if (run.phase === 'ended') end(run.outcome!.state);
    };
    after(dice.chance(0.1) ? dice.between(20, 300) : dice.between(1, 10), write);
  };
  const end = (outcome: string): void => {
    if (stored.outcome !== undefined && stored.outcome !== outcome) violate(`the job was ${stored.outcome} and is ${outcome}`);
    stored.outcome = outcome;
  };
  let lastRedisMs = clock.nowMs;
  let gapSinceMs: number | undefined;
  /** The ledger goes on to `last`, with steps that nobody reported if it must. */
  const enterUntil = (last: number): void => {
    while (ledger < last) {
      if (!offered.delete(ledger + 1)) stored.unknown++;
      ledger++;
    }
    gapSinceMs = undefined;
    enter();
  };
  const enter = (): void => {
    if (!world.isRedisUp) return after(100, enter);
    for (let next = offered.get(ledger + 1); next !== undefined; next = offered.get(ledger + 1)) {
      if (next.metrics['loss'] !== lineageOf(next.step)) violate(`the ledger is given another step ${next.step} than there is`);
      offered.delete(++ledger);
    }
    stored.ledger = Math.max(stored.ledger, ledger);
    for (const step of offered.keys()) if (step <= ledger) offered.delete(step);
    gapSinceMs = offered.size === 0 ? undefined : (gapSinceMs ?? clock.nowMs);
  };

  const act = (effect: RunEffect): void => {
    switch (effect.type) {
      case 'send': {
        const { workerId, message } = effect;
        if (message.kind === 'view') {
          const text = viewText(message);
          const known = views.get(message.generation);
          if (known !== undefined && known !== text) violate(`view ${message.generation} is two views: ${known}; and ${text}`);
          if (known === undefined) {
            const newest = Math.max(0, ...views.keys());
            if (message.generation <= newest) violate(`view ${message.generation} is new, but there was view ${newest}`);
            note(`view ${message.generation}: ${text}`);
            onView(run);
          }
          views.set(message.generation, text);
        }
        const { phase } = run;
        return outbox.tell(() => {
          if (message.kind === 'release' && phase === 'stopping' && writtenPhase !== 'stopping' && writtenPhase !== 'ended')
            violate(`${workerId} is told of an end that is not written down`);
          workers.get(workerId)?.stream.send(message);
        });
      }
      case 'disconnect': {
        return outbox.tell(() => {
          const worker = workers.get(effect.workerId);
          workers.delete(effect.workerId);
          worker?.stream.close();
        });
      }
      case 'openGeneration':
        return after(dice.between(1, 30), () => enterUntil(effect.step));
      case 'commitStep':
        if (effect.committed.step > ledger) offered.set(effect.committed.step, effect.committed);
        return after(dice.between(1, 30), enter);
      case 'findCheckpoint':
        if (isSearching) return;
        isSearching = true;
        return after(dice.between(5, 300), () => {
          isSearching = false;
          dispatch({ type: 'restorePoint', point: newestCheckpoint(world) ?? run.facts.startPoint, note: '' });
        });
      default:
        return;
    }
  };
  const step = (event: RunEvent): void => {
    const before = run;
    const result = transition(run, event, { nowMs: clock.nowMs, timeouts });
    run = result.run;
    if (run.phase !== before.phase || run.message !== before.message) note(`job is ${run.phase}: ${run.message}`);
    for (const record of run.records.slice(before.records.length)) note(`  ${record.type}: ${record.message}`);
    if (run.step < before.step) violate(`the job went back from step ${before.step} to ${run.step}`);
    if (run.generation < before.generation) violate(`the generation fell from ${before.generation} to ${run.generation}`);
    if (isDecision(before, run)) onSaved.push(outbox.decide());
    for (const effect of result.effects) act(effect);
    if (run === before) return;
    const isMoved = run.phase !== before.phase || run.generation !== before.generation || run.workers.length !== before.workers.length;
    const isUrgent = isMoved || run.message !== before.message || run.view?.status !== before.view?.status;
    if (isUrgent || clock.nowMs - lastSavedMs >= SAVE_EVERY_MS) {
      lastSavedMs = clock.nowMs;
      save();
    }
    if (isMoved) after(0, place);
  };
  const dispatch = (event: RunEvent): void => {
    queue.push(event);
    if (isDispatching) return;
    isDispatching = true;
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) step(next);
    isDispatching = false;
  };

  const place = (): void => {
    const situation = {
      runs: rival === undefined ? [run] : [run, rival],
      workers: [...workers.values()],
      nowMs: clock.nowMs,
      silenceMs: timeouts.silenceMs,
      startedMs,
    };
    for (const placement of placeJobs(placementInput(situation))) {
      const { reason } = placement;
      if (placement.type === 'assign') for (const { id } of placement.workers) workers.get(id)!.jobId = placement.jobId;
      if (placement.jobId !== jobId) {
        if (placement.type === 'assign') occupy(placement.workers);
        else if (placement.type !== 'wait') withdraw();
      } else if (placement.type === 'assign') dispatch({ type: 'assigned', workers: placement.workers });
      else if (placement.type === 'preempt') dispatch({ type: 'preempt', reason });
      else if (placement.type === 'shrink') for (const { id } of placement.workers) dispatch({ type: 'drain', workerId: id, reason });
    }
  };
  /** A rival works, as far as its workers can tell, without doing anything. */
  const occupy = (chosen: readonly WorkerRef[]): void => {
    note(`the rival has ${chosen.map(({ name }) => name).join(' ')}`);
    if (chosen.some(({ id }) => run.workers.some((worker) => worker.id === id))) violate('the rival has a worker of the job');
    rival = { ...rival!, phase: 'running', workers: [...rival!.workers, ...chosen.map((each) => newWorker(each, clock.nowMs))] };
  };
  const withdraw = (): void => {
    rival = undefined;
    for (const worker of workers.values()) if (worker.jobId === RIVAL) worker.jobId = '';
    after(0, place);
  };
  const tick = (): void => {
    if (world.isRedisUp) lastRedisMs = clock.nowMs;
    const isAway = clock.nowMs - lastRedisMs > 1000;
    if (gapSinceMs !== undefined && clock.nowMs - gapSinceMs > timeouts.reportGapMs) enterUntil(Math.min(...offered.keys()));
    if (ledger > acknowledgedSent) {
      acknowledgedSent = ledger;
      if (ledger > run.step) dispatch({ type: 'acknowledged', step: ledger });
      for (const { id } of run.workers) workers.get(id)?.stream.send({ kind: 'acknowledge', jobId, step: ledger });
    }
    if (run.phase !== 'ended' && run.phase !== 'queued' && run.phase !== 'paused') {
      dispatch({ type: 'tick', ...(isAway && { outage: 'Redis does not answer' }) });
    }
    place();
    after(TICK_MS, tick);
  };

  const takeStanding = (hello: Hello, told: Standing): void => {
    const { standing, problem } = judgeStanding(run, hello.id, told, { nowMs: clock.nowMs, timeouts });
    if (problem !== undefined) note(`  not believed: ${hello.name}, standing: ${problem}`);
    if (standing !== undefined) dispatch({ type: 'standing', worker: hello, standing });
    else workers.get(hello.id)?.stream.send({ kind: 'release', jobId, writeCheckpoint: false, reason: problem ?? '' });
  };

  const isNameFree = ({ name, id }: Hello): boolean => {
    for (const twin of [...workers.values()]) {
      if (twin.hello.name !== name) continue;
      if (twin.hello.id !== id && !isProcessDead(twin.hello.id)) return false;
      workers.delete(twin.hello.id);
      twin.stream.close();
    }
    for (const shadow of run.workers) {
      if (shadow.name !== name || shadow.id === id) continue;
      dispatch({ type: 'disconnected', workerId: shadow.id, evidence: 'it was started again', isDead: true });
    }
    return true;
  };

  if (incarnation > 1 && run.phase !== 'ended') dispatch({ type: 'recovered', incarnation });
  after(TICK_MS, tick);

  return {
    get run() {
      return run;
    },
    dispatch,
    isDrained: (id) => workers.get(id)?.isDrained === true,
    drainWorker(name) {
      const worker = [...workers.values()].find(({ hello }) => hello.name === name);
      if (worker === undefined) return;
      worker.isDrained = true;
      if (worker.jobId === jobId) dispatch({ type: 'drain', workerId: worker.hello.id, reason: 'it is drained on request' });
    },
    compete(priority, minWorkers, forMs) {
      if (rival !== undefined) return;
      const spec = { ...world.spec, priority, resources: { ...world.spec.resources, minWorkers, maxWorkers: minWorkers } };
      const started = queuedRun({ id: RIVAL, spec, startPoint: { path: '', step: 0 } }, incarnation, clock.nowMs);
      rival = started;
      after(0, place);
      after(forMs, () => {
        if (rival !== undefined) withdraw();
      });
    },
    cancel() {
      dispatch({ type: 'cancel', reason: 'on request' });
      outbox.tell(() => {
        if (run.outcome?.state === 'cancelled') stored.isCancelTold = true;
      });
    },
    crash() {
      isUp = false;
    },
    rewrite: () => {
      save();
      after(dice.between(1, 50), () => {
        stored.ledger = Math.max(stored.ledger, ledger);
      });
    },
    attach(hello, stream): CoordinatorEnd | undefined {
      if (!isUp || !isNameFree(hello)) return undefined;
      const { id, standing } = hello;
      const worker: Connected = { hello, stream, jobId: standing?.jobId ?? '', isDrained: false };
      workers.set(id, worker);
      stream.send({ kind: 'welcome', incarnation, heartbeatMs: timeouts.heartbeatMs, failureTimeoutMs: timeouts.silenceMs });
      if (worker.jobId !== jobId && run.workers.some((member) => member.id === id)) {
        const left: Left = { jobId, generation: 0, step: -1, outcome: 'released', errorCode: '', errorMessage: '' };
        dispatch({ type: 'left', workerId: id, left });
      }
      if (standing !== null) {
        if (run.phase !== 'ended') takeStanding(hello, standing);
        else stream.send({ kind: 'release', jobId, writeCheckpoint: false, reason: 'the job is over or unknown' });
      }
      place();
      return {
        receive(message) {
          if (!isUp || workers.get(id) !== worker || message.kind === 'hello') return;
          if (message.kind === 'drain') worker.isDrained = true;
          const isOurs = message.jobId === jobId;
          const problem = isOurs ? whyUnbelievable(run, id, message, { nowMs: clock.nowMs, timeouts }) : undefined;
          if (problem !== undefined) note(`  not believed: ${hello.name}, ${message.kind}: ${problem}`);
          else if (isOurs && message.kind === 'standing') takeStanding(hello, message);
          else {
            const event = message.jobId === '' ? undefined : workerEvent(hello, message);
            if (event !== undefined) dispatch(event);
          }
          if (message.kind === 'left' && worker.jobId === message.jobId) {
            worker.jobId = '';
            place();
          }
        },
        closed(evidence) {
          if (!isUp || workers.get(id) !== worker) return;
          workers.delete(id);
          if (rival !== undefined) rival = { ...rival, workers: rival.workers.filter((each) => each.id !== id) };
          if (worker.jobId === jobId) dispatch({ type: 'disconnected', workerId: id, evidence });
        },
      };
    },
  };
}
