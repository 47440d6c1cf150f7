import { failureTimeouts, parseJobSpec } from '@maestro/protocol';
import { newJob } from '../jobs/jobView.ts';
import { type JobRun, queuedRun } from '../run/state/runState.ts';
import type { Stored } from './booksModel.ts';
import { createClock } from './clock.ts';
import { type CoordinatorProcess, startCoordinatorProcess } from './coordinatorProcess.ts';
import { createDice } from './dice.ts';
import { type Ambush, FAULTS_END_MS, type Fault, faultText, type Scenario } from './faults.ts';
import type { SimulatedMember } from './openMember.ts';
import { createPeers } from './peers.ts';
import { type ProcessModel, startProcess } from './process.ts';
import { newestCheckpoint, type World } from './world.ts';

const TOTAL_STEPS = 60;
/** So much simulated time a healthy cluster has to commit a step, and to end the job, after the last fault. */
const STEP_BOUND_MS = 45_000;
const END_BOUND_MS = 240_000;

/** What may take a report with it that nobody else has. */
const LOSING: ReadonlySet<Fault['type']> = new Set([
  'kill',
  'restart',
  'memberFails',
  'crash',
  'redisForgets',
  'drain',
  'terminate',
  'pause',
  'rival',
  'ambush',
]);

/** How a scenario went. */
export interface Verdict {
  /** What must never happen but did; undefined when all went well. */
  readonly violation: string | undefined;
  readonly transcript: readonly string[];
  readonly outcome: string | undefined;
  readonly endMs: number;
  readonly generation: number;
}

class Violation extends Error {}

/** Plays a scenario to its end. The same scenario always goes the same way. */
export function simulate(scenario: Scenario): Verdict {
  const { seed, minWorkers, maxWorkers, workers: names, faults } = scenario;
  const clock = createClock(1000);
  const dice = createDice(seed * 7919 + 13);
  const transcript: string[] = [];
  const note = (line: string): void => void transcript.push(`${(clock.nowMs / 1000).toFixed(3)} ${line}`);
  const jobId = 'job';
  const spec = parseJobSpec({
    data: { format: 'idx', path: '/data' },
    schedule: { steps: TOTAL_STEPS, microBatch: 1, windowSteps: 8 },
    resources: { virtualRanks: 8, minWorkers, maxWorkers },
  });
  const world: World = {
    clock,
    dice,
    timeouts: failureTimeouts(3000),
    jobId,
    spec,
    totalSteps: TOTAL_STEPS,
    note,
    violate: (what) => {
      throw new Violation(what);
    },
    disk: new Map(),
    damaged: new Set(),
    isRedisUp: true,
    cuts: new Set(),
    views: new Map(),
  };
  const peers = createPeers(world);
  const stored: Stored = {
    job: newJob({ id: jobId, spec, specJson: '', now: '' }),
    run: queuedRun({ id: jobId, spec, startPoint: { path: '', step: 0 } }, 1, clock.nowMs),
    ledger: 0,
    unknown: 0,
    outcome: undefined,
    isCancelTold: false,
  };
  const processes = new Map<string, ProcessModel>();
  const all: ProcessModel[] = [];
  const slow = new Map<string, number>();
  const hung = new Map<string, number>();
  /** Those that wait for their message. */
  const ambushes: Ambush[] = [];
  let serial = 0;
  let incarnation = 0;
  let coordinator: CoordinatorProcess | undefined;
  let history: { readonly atMs: number; readonly run: JobRun; readonly ledger: number }[] = [];

  const onView = (run: JobRun): void => {
    const { generation, view, workers } = run;
    const { startStep, members, sources } = view!;
    for (const { id, isReleased } of workers) {
      const process = all.find((each) => each.id === id);
      if (process === undefined || isReleased || !process.isAlive || process.member === undefined) continue;
      const { step, isStateLate } = process.member;
      if (step > startStep && !isStateLate) world.violate(`view ${generation} starts at step ${startStep}, but ${id} has step ${step}`);
    }
    const kinds = new Set(all.flatMap(({ id, isAlien }) => (members.some((member) => member.id === id) ? [isAlien] : [])));
    if (kinds.size > 1) world.violate(`view ${generation} has members that differ`);
    if (new Set(members.map(({ name }) => name)).size < members.length) world.violate(`view ${generation} has two of a name`);
    // After the last step those that have the state only write its checkpoint, without joiners, however few they are.
    const least = startStep === TOTAL_STEPS ? 1 : minWorkers;
    if (members.length < least || members.length > maxWorkers) world.violate(`view ${generation} has ${members.length} members`);
    if (sources.some((id) => !members.some((member) => member.id === id))) world.violate(`view ${generation}: a source is no member`);
  };
  const boot = (): void => {
    coordinator = startCoordinatorProcess(world, stored, {
      incarnation: ++incarnation,
      isGone: ({ pid }) => all.find((each) => each.pid === pid)?.isAlive !== true,
      onView,
      onMessage(kind, workerId) {
        const index = ambushes.findIndex(({ on }) => on === kind);
        if (index < 0) return;
        const [{ strike, afterMs, forMs }] = ambushes.splice(index, 1) as [Ambush];
        const name = all.find(({ id }) => id === workerId)!.name;
        clock.after(afterMs, () => inflict({ atMs: clock.nowMs, type: strike, name, forMs, isReset: true }));
      },
    });
  };
  const start = (name: string, isAlien = false): void => {
    if (processes.get(name)?.isAlive === true) return;
    const id = `${name}:${++serial}`;
    const until = (times: Map<string, number>): boolean => clock.nowMs < (times.get(name) ?? 0);
    const process = startProcess(world, {
      name,
      id,
      pid: serial,
      peers,
      listener: () => coordinator,
      slowness: () => (until(slow) ? 5 : 1),
      isHung: () => until(hung),
      identity: isAlien ? 2 : 1,
    });
    note(`start ${id}`);
    processes.set(name, process);
    all.push(process);
  };
  const cut = (a: string, b: string, forMs: number): void => {
    const pair = a < b ? `${a} ${b}` : `${b} ${a}`;
    world.cuts.add(pair);
    const [first, second] = [processes.get(a), processes.get(b)];
    const { keepaliveTimeMs, keepaliveTimeoutMs } = world.timeouts;
    clock.after(dice.chance(0.5) ? dice.between(1, 20) : keepaliveTimeMs + keepaliveTimeoutMs, () => {
      if (!world.cuts.has(pair)) return;
      for (const [one, other] of [
        [first, b],
        [second, a],
      ] as const)
        one?.member?.lostPeer(other);
    });
    clock.after(forMs, () => {
      world.cuts.delete(pair);
      peers.retry();
    });
  };

  const inflict = (fault: Fault): void => {
    note(`FAULT ${faultText(fault)}`);
    switch (fault.type) {
      case 'kill':
        return processes.get(fault.name)?.kill();
      case 'restart':
        processes.get(fault.name)?.kill();
        return clock.after(dice.between(50, 2000), () => start(fault.name));
      case 'start':
        return start(fault.name);
      case 'terminate':
        return processes.get(fault.name)?.terminate();
      case 'drain':
        return coordinator?.drainWorker(fault.name);
      case 'rival':
        return coordinator?.compete(fault.priority, fault.minWorkers, fault.forMs);
      case 'freeze': {
        const process = processes.get(fault.name);
        process?.freeze();
        return clock.after(fault.forMs, () => process?.thaw());
      }
      case 'hang':
        return void hung.set(fault.name, clock.nowMs + fault.forMs);
      case 'slow':
        return void slow.set(fault.name, clock.nowMs + fault.forMs);
      case 'cutControl':
        return processes.get(fault.name)?.cutControl(fault.isReset, clock.nowMs + fault.forMs);
      case 'cutPeers':
        return cut(fault.name, fault.other, fault.forMs);
      case 'cutOff':
        processes.get(fault.name)?.cutControl(false, clock.nowMs + fault.forMs);
        for (const other of processes.keys()) if (other !== fault.name) cut(fault.name, other, fault.forMs);
        return;
      case 'memberFails':
        return processes.get(fault.name)?.member?.fail('device-unavailable');
      case 'alien':
        return start(fault.name, true);
      case 'damage': {
        const newest = newestCheckpoint(world);
        if (newest === undefined || newest.step === TOTAL_STEPS) return;
        if (fault.isHidden) world.damaged.add(newest.step);
        else world.disk.delete(newest.step);
        return;
      }
      case 'crash': {
        if (coordinator === undefined) return;
        coordinator.crash();
        coordinator = undefined;
        for (const process of processes.values()) process.cutControl(true, 0);
        return clock.after(fault.forMs / 3 + 100, () => boot());
      }
      case 'redisAway':
        world.isRedisUp = false;
        return clock.after(fault.forMs, () => {
          world.isRedisUp = true;
        });
      case 'redisForgets': {
        const before = history.filter(({ atMs }) => atMs >= clock.nowMs - 1000);
        const kept = before.length === 0 ? undefined : dice.pick(before);
        if (kept !== undefined) {
          stored.run = kept.run;
          stored.ledger = kept.ledger;
          // Should the coordinator die before it writes it again.
          if (kept.run.phase !== 'ended') stored.outcome = undefined;
          if (kept.run.outcome === undefined) stored.isCancelTold = false;
        }
        return clock.after(dice.between(5, 60), () => coordinator?.rewrite());
      }
      case 'ambush':
        return void ambushes.push(fault);
      case 'pause':
        return coordinator?.dispatch({ type: 'pause', reason: 'on request' });
      case 'resume':
        return coordinator?.dispatch({ type: 'resume' });
      case 'cancel':
        return coordinator?.cancel();
    }
  };
  /** Everything is well again: whoever was taken out is replaced. */
  const heal = (): void => {
    note('all faults are over');
    world.isRedisUp = true;
    world.cuts.clear();
    slow.clear();
    hung.clear();
    ambushes.length = 0;
    for (const step of world.damaged) world.disk.delete(step);
    world.damaged.clear();
    for (const process of processes.values()) {
      process.thaw();
      if (process.isEnding || coordinator?.isDrained(process.id) === true) process.kill();
    }
    for (const name of ['a', 'b', 'c']) {
      clock.after(3000, () => {
        // Before the first view most of the workers decide what all must have.
        const isAlien = coordinator?.run.common?.identity['threads'] === 2;
        if (
          processes.get(name)?.isAlien !== isAlien ||
          coordinator?.run.refusals.some(({ workerId }) => workerId === processes.get(name)?.id)
        )
          processes.get(name)?.kill();
        start(name, isAlien);
      });
    }
  };
  const remember = (): void => {
    history = [...history.slice(-10), { atMs: clock.nowMs, run: stored.run, ledger: stored.ledger }];
    clock.after(200, remember);
  };

  const isOver = (): boolean => coordinator?.run.phase === 'ended';
  let violation: string | undefined;
  try {
    boot();
    remember();
    for (const name of names) start(name);
    for (const fault of faults) clock.after(fault.atMs, () => inflict(fault));
    const quietMs = 1000 + FAULTS_END_MS + 13_000;
    clock.run(quietMs, isOver);
    if (!isOver()) {
      heal();
      let committed = { step: -1, atMs: clock.nowMs };
      while (!isOver()) {
        clock.run(clock.nowMs + 1000, isOver);
        clock.after(0, () => undefined);
        if (coordinator?.run.phase === 'paused') coordinator.dispatch({ type: 'resume' });
        if (coordinator !== undefined && coordinator.run.step !== committed.step)
          committed = { step: coordinator.run.step, atMs: clock.nowMs };
        if (clock.nowMs - committed.atMs > STEP_BOUND_MS && committed.step < TOTAL_STEPS)
          world.violate(`no step after ${committed.step} for ${STEP_BOUND_MS} ms: ${coordinator?.run.phase}, ${coordinator?.run.message}`);
        if (clock.nowMs > quietMs + END_BOUND_MS)
          world.violate(`the job does not end: ${coordinator?.run.phase}, ${coordinator?.run.message}`);
      }
    }
    const { run } = coordinator!;
    if (stored.isCancelTold && run.outcome!.state !== 'cancelled')
      world.violate(`a cancel was confirmed, and the job is ${run.outcome!.state}`);
    const isCancelled = faults.some(({ type }) => type === 'cancel');
    if (run.outcome!.state !== 'succeeded' && !(isCancelled && run.outcome!.state === 'cancelled'))
      world.violate(`the job is ${run.outcome!.state}: ${run.message}`);
    if (run.outcome!.state === 'succeeded') {
      if (run.step !== TOTAL_STEPS) world.violate(`the job succeeded at step ${run.step}`);
      const isRestored = transcript.some((line) => line.includes('nobody held the state'));
      if (stored.unknown > 0 && !isRestored && !faults.some(({ type }) => LOSING.has(type)))
        world.violate(`${stored.unknown} steps were never reported`);
      if (!world.disk.has(TOTAL_STEPS)) world.violate('the job succeeded without a last checkpoint');
    }
    heal();
    clock.run(clock.nowMs + 20_000, () => false);
    const zombies = all.filter(({ member, isAlive }) => isAlive && member !== undefined);
    // A job that ended may have been forgotten with its coordinator: then it runs again.
    if (zombies.length > 0 && isOver()) world.violate(`${zombies.map(({ id }) => id).join(' ')} still work for a job that has ended`);
  } catch (error) {
    if (!(error instanceof Violation)) note(`${(error as Error).stack}`);
    violation = (error as Error).message;
    note(`VIOLATION ${violation}`);
    for (const { name, status, generation, state, awaySinceMs, isReleased, phase, phaseSeconds } of coordinator?.run.workers ?? [])
      note(
        `  ${name} is ${status} of view ${generation}, state ${state}, ${phase} for ${phaseSeconds}` +
          `${isReleased ? ', released' : ''}${awaySinceMs === undefined ? '' : `, away since ${awaySinceMs}`}`,
      );
    for (const { id, isAlive, isAttached, member } of all)
      if (isAlive) note(`  process ${id}${isAttached ? '' : ' (detached)'}: ${member === undefined ? 'idle' : memberText(member)}`);
  }
  return { violation, transcript, outcome: stored.outcome, endMs: clock.nowMs, generation: stored.run.generation };
}

function memberText({ step, state: { status, generation, life, release } }: SimulatedMember): string {
  return `${status} of view ${generation}, state ${step}${release === undefined ? '' : `, released (${life})`}`;
}
