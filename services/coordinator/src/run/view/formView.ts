import { jobSchedule, windowOfStep } from '@maestro/data';
import { dilocoOf, mostWorkers, ranksPerUnit, recipeOf, type ViewMember } from '@maestro/protocol';
import { agree, settle } from '../identity/identity.ts';
import { release } from '../release.ts';
import { holdersOf, isSharded, newestState, wholeStepOf } from '../state/newestState.ts';
import type { RunWorker } from '../state/runState.ts';
import { assignRanks } from './assignRanks.ts';
import { effect, isBusy, isOut, names, record, send, type Turn, update, updateWorker, workerOf } from './turn.ts';

/** Number of views whose members are remembered. */
const MOST_VIEWS = 64;

/** Forms the next view from the waiting workers when there are enough of them; otherwise says what is missing. */
export function formView(turn: Turn): void {
  releaseDraining(turn);
  const { workers, facts, generation } = turn.run;
  const { minWorkers, virtualRanks } = facts.spec.resources;
  const here = workers.filter(({ isReleased, drain, awaySinceMs }) => !isReleased && drain === undefined && awaySinceMs === undefined);
  let waiting = here.filter(isOut);

  // A worker that has not stopped yet, or is temporarily unreachable, may hold the newest state.
  if (workers.some((worker) => !worker.isReleased && (isBusy(worker) || worker.awaySinceMs !== undefined))) return;

  // A view has its own shard queues, and a member that cannot open them is of no use.
  if (turn.run.outage !== undefined) return update(turn, { message: 'waiting for Redis, without which no view can form' });

  const newest = newestState(turn.run);
  const furthest = newest.step;
  const preparing = here.filter(({ status }) => status === 'assigned' || status === 'preparing');
  if (furthest < 0 && preparing.length > 0) {
    update(turn, { phase: 'starting', message: describePreparing(preparing, turn) });
    return;
  }
  const common = turn.run.common === undefined ? agree(turn) : undefined;
  if (common !== undefined) waiting = waiting.filter(({ id }) => workerOf(turn, id) !== undefined);
  if (waiting.length < minWorkers) {
    waitForWorkers(turn, waiting, furthest);
    return;
  }
  if (furthest < 0 && turn.run.restore === undefined) {
    update(turn, { phase: 'starting', message: 'looking for the newest valid checkpoint' });
    effect(turn, { type: 'findCheckpoint' });
    return;
  }

  if (common !== undefined) settle(turn, common);
  const isHolder = (worker: { readonly id: string }): boolean => newest.holders.some(({ id }) => id === worker.id);
  // After the last step only its checkpoint remains to be written: nobody stays to serve the state to a joining member.
  const isOver = furthest >= jobSchedule(facts.spec, turn.run.common!.datasetLength).totalSteps;
  const staying = isOver ? waiting.filter(isHolder) : [];
  const chosen = [...(staying.length > 0 ? staying : waiting)]
    .sort((a, b) => Number(isHolder(b)) - Number(isHolder(a)) || b.state - a.state || (a.name < b.name ? -1 : 1))
    .slice(0, mostWorkers(facts.spec));
  const restore = furthest < 0 ? turn.run.restore! : undefined;
  const startStep = restore?.step ?? furthest;
  const { deal = {} } = turn.run;
  const members = assignRanks({ workers: chosen, virtualRanks, ranksPerUnit: ranksPerUnit(facts.spec), deal });
  const sources = chosenSources(members, chosen, furthest);
  const holders = isSharded(turn.run) ? holdersOf(newest) : [];
  const restoreFrom = restore?.path ?? '';
  const next = Math.max(generation, turn.run.skipped) + 1;
  const { id: jobId } = facts;
  const { step, stepsRedone, pastViews, restore: _used, shortSinceMs: _enough, deal: _dealt, ...rest } = turn.run;
  turn.run = { ...rest, step, stepsRedone, pastViews };
  update(turn, {
    generation: next,
    view: { members, startStep, restoreFrom, sources, holders, status: 'forming', sinceMs: turn.nowMs, isAbort: false, reason: '' },
    pastViews: [...pastViews, { generation: next, members, startStep, timeMs: turn.nowMs, reason: whyFormed(turn) }].slice(-MOST_VIEWS),
    phase: restore !== undefined ? 'starting' : turn.run.phase,
    message: `view ${next} forms: ${names(members)} from step ${startStep}`,
    // A checkpoint may be ahead of the reported steps.
    step: restore === undefined ? step : Math.max(step, restore.step),
    stepsRedone: stepsRedone + Math.max(0, step - startStep),
  });
  if (restore !== undefined && generation > 0) {
    const isInPart = waiting.some(({ shards }) => shards.length > 0);
    const isApart = dilocoOf(facts.spec) !== undefined;
    // When replicas train apart, only checkpoints leave a state from which another view could start.
    const lost = isInPart ? 'a part of the state was lost with its owner: ' : 'nobody held the state any more: ';
    record(turn, 'restore', `${isApart ? '' : lost}restored from ${restore.path || 'the seed'}, step ${restore.step}`);
  }
  if (!newest.isInMemory) {
    const { epoch, window } = windowOfStep(jobSchedule(facts.spec, turn.run.common!.datasetLength), startStep - 1);
    const where = `the end of window ${window} of epoch ${epoch}, step ${startStep}`;
    record(turn, 'restore', `a part of the state was lost with its owner: goes back to ${where}, from copies at peers`);
  }
  effect(turn, { type: 'openGeneration', generation: next, step: startStep });
  for (const { id } of members) {
    updateWorker(turn, id, { status: 'forming', generation: next });
  }
  const servers = newest.holders.filter((worker) => holders.length > 0 && !members.some(({ id }) => id === worker.id));
  for (const { id } of [...members, ...servers]) {
    send(turn, id, { kind: 'view', jobId, generation: next, members, startStep, restoreFrom, sources, holders });
  }
}

/** Preparation time after which a worker's activity is named. */
const LONG_PREPARATION_MS = 10_000;

/**
 * Formats `a and b prepare the model; a since 12:30:05: it opens the data set /data`: since when, not how long, so that the sentence stays
 * the same.
 */
function describePreparing(preparing: readonly RunWorker[], { nowMs }: Pick<Turn, 'nowMs'>): string {
  const long = preparing.flatMap(({ name, joinedMs = nowMs, waitingFor }) => {
    const since = `${name} since ${new Date(joinedMs).toISOString().slice(11, 19)}`;
    return nowMs - joinedMs < LONG_PREPARATION_MS ? [] : [waitingFor === '' ? since : `${since}: ${waitingFor}`];
  });
  return `${names(preparing)} prepare${preparing.length === 1 ? 's' : ''} the model${long.length === 0 ? '' : `; ${long.join('; ')}`}`;
}

/** Returns what ended the previous view, or brought the job here. */
function whyFormed({ run: { records, generation } }: Turn): string {
  const end = records.findLast(({ type, generation: of }) => type === 'hold' && of === generation);
  if (generation > 0 && end !== undefined) return end.message.replace(/^view \d+ ends (at once|after a step): /, '');
  return generation === 0 ? 'the job starts' : 'it goes on';
}

/** Returns the members that have the whole state, or all parameters of one whose moments are sharded. */
function chosenSources(members: readonly ViewMember[], chosen: readonly RunWorker[], step: number): string[] {
  const has = (worker: RunWorker): boolean => step >= 0 && worker.state === step;
  return members.flatMap(({ id }) => (chosen.some((worker) => worker.id === id && has(worker)) ? id : []));
}

/** Releases waiting workers that want to leave; the last one with the newest state persists it first. */
function releaseDraining(turn: Turn): void {
  for (const worker of turn.run.workers) {
    if (worker.drain === undefined || worker.isReleased || !(isOut(worker) || worker.status === 'preparing')) continue;
    const others = turn.run.workers.filter(({ id, isReleased }) => id !== worker.id && !isReleased);
    if (isSharded(turn.run)) {
      const duty = dutyOf(turn, worker, others);
      if (duty === 'serve') continue;
      release(turn, worker, { reason: worker.drain, writeCheckpoint: duty === 'write' });
    } else {
      const isLast = !others.some(({ state }) => state >= worker.state);
      release(turn, worker, { reason: worker.drain, writeCheckpoint: isLast && worker.state > turn.run.checkpointStep });
    }
    record(turn, 'left', `${worker.name} leaves: ${worker.drain}`);
  }
}

/**
 * Returns what a leaving worker owes to the others, which lack its part of the state: to serve it to the next view, or to persist all of
 * it.
 */
function dutyOf(turn: Turn, worker: RunWorker, others: readonly RunWorker[]): 'serve' | 'write' | 'nothing' {
  const { run } = turn;
  const { step, holders, isInMemory } = newestState(run);
  const isHolder = holders.some(({ id }) => id === worker.id);
  if (!isHolder || wholeStepOf(run, others, { isInMemory }) >= step) return 'nothing';
  const staying = others.filter((other) => isOut(other) && other.drain === undefined);
  // From memory, even if a checkpoint of the same state exists already: nothing has to be read from disk.
  if (staying.length >= run.facts.spec.resources.minWorkers) return 'serve';
  // A state that is on disk in parts cannot be persisted by anyone, and no worker comes for it: the worker leaves.
  if (step <= run.checkpointStep || !isInMemory) return 'nothing';
  return wholeStepOf(run, [worker], { isInMemory }) === step ? 'write' : 'serve';
}

function waitForWorkers(turn: Turn, waiting: readonly RunWorker[], furthest: number): void {
  const { facts, records, checkpointStep, savedStep } = turn.run;
  const { minWorkers, device } = facts.spec.resources;
  const cause = records.findLast(({ type }) => type === 'lost' || type === 'left' || type === 'evicted' || type === 'refused');
  const why = cause === undefined ? '' : `; ${cause.message}`;
  update(turn, {
    phase: 'starting',
    shortSinceMs: turn.run.shortSinceMs ?? turn.nowMs,
    message: `waiting: needs ${minWorkers} ${device} worker${minWorkers === 1 ? '' : 's'}, has ${waiting.length}${why}`,
  });
  // A waiting worker may be lost too.
  const keeper = waiting.find(
    (worker) => (isSharded(turn.run) ? wholeStepOf(turn.run, [worker], { isInMemory: true }) : worker.state) === furthest,
  );
  if (keeper !== undefined && furthest > Math.max(checkpointStep, savedStep)) {
    update(turn, { savedStep: furthest });
    send(turn, keeper.id, { kind: 'save', jobId: facts.id });
  }
}

/** Starts the view once all members have formed. */
export function go(turn: Turn): void {
  const { view, generation, facts } = turn.run;
  const { members, startStep } = view!;
  for (const { id } of members) {
    if (workerOf(turn, id)!.status !== 'formed') continue;
    updateWorker(turn, id, { status: 'working' });
    send(turn, id, { kind: 'go', jobId: facts.id, generation });
  }
  update(turn, {
    phase: 'running',
    view: { ...view!, status: 'working', sinceMs: turn.nowMs },
    lastCommitMs: turn.nowMs,
    message: `${recipeOf(facts.spec).verb} on ${names(members)}`,
  });
  const shares = members.map(({ name, firstRank, ranks }) => `${name} ${firstRank}..${firstRank + ranks - 1}`).join(', ');
  record(turn, 'view', `view ${generation} works from step ${startStep}: virtual ranks ${shares}`);
}

/** Resends the view to a member that it has not reached. */
export function resendView(turn: Turn, workerId: string): void {
  const { view, generation, facts } = turn.run;
  const { members, startStep, restoreFrom, sources, holders } = view!;
  send(turn, workerId, { kind: 'view', jobId: facts.id, generation, members, startStep, restoreFrom, sources, holders });
}
