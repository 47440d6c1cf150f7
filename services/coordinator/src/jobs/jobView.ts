import { positionsOfStep, type Schedule } from '@maestro/data';
import {
  type Condition,
  isTerminal,
  type Job,
  type JobCheckpoint,
  type JobEvent,
  type JobMember,
  type JobProgress,
  type JobSpec,
  type JobState,
  type StepCommitted,
  type ViewMember,
} from '@maestro/protocol';
import type { JobRun, RunRecord, RunWorker } from '../run/state/runState.ts';
import { workersById } from '../run/state/workersById.ts';
import { describeSlowStep } from '../run/step/slowStep.ts';

type StepCounts = Pick<Schedule, 'totalSteps' | 'stepsPerEpoch'>;

/** Weight of the newest step in the running mean of the speed. */
const SPEED_WEIGHT = 0.1;

/** Creates the record of a job that was just submitted. */
export function newJob({
  id,
  spec,
  specJson,
  warnings = [],
  now,
}: {
  readonly id: string;
  readonly spec: JobSpec;
  readonly specJson: string;
  readonly warnings?: readonly string[];
  readonly now: string;
}): Job {
  return {
    id,
    name: spec.name,
    state: 'queued',
    message: 'waiting to be scheduled',
    specJson,
    createdAt: now,
    startedAt: '',
    endedAt: '',
    generation: 0,
    members: [],
    conditions: [],
    progress: null,
    checkpoints: [],
    events: [],
    stepsRedone: 0,
    ...(warnings.length > 0 && { warnings }),
    resourceVersion: '0-0',
  };
}

/** Returns the progress before the first step. */
export function initialProgress({ totalSteps, stepsPerEpoch }: StepCounts, startStep: number): JobProgress {
  return {
    step: startStep,
    totalSteps,
    epoch: startStep / stepsPerEpoch,
    totalEpochs: totalSteps / stepsPerEpoch,
    images: 0,
    metrics: {},
    firstMetrics: {},
    imagesPerSecond: 0,
    etaSeconds: 0,
    skippedImages: 0,
  };
}

/** Advances the progress by one committed step. The speed is an exponential mean of images per second over steps. */
export function advanceProgress(progress: JobProgress, committed: StepCommitted, schedule: Schedule): JobProgress {
  const { stepsPerEpoch, totalSteps } = schedule;
  const { step, metrics, images, stepSeconds } = committed;
  const isFirst = progress.images === 0;
  const speed = images / Math.max(stepSeconds, 1e-9);
  const imagesPerSecond = isFirst ? speed : progress.imagesPerSecond * (1 - SPEED_WEIGHT) + speed * SPEED_WEIGHT;
  return {
    step,
    totalSteps,
    epoch: step / stepsPerEpoch,
    totalEpochs: totalSteps / stepsPerEpoch,
    images: progress.images + images,
    metrics: { ...progress.metrics, ...metrics },
    firstMetrics: { ...metrics, ...progress.firstMetrics },
    imagesPerSecond,
    etaSeconds: ((totalSteps - step) * images) / Math.max(imagesPerSecond, 1e-9),
    skippedImages: progress.skippedImages + positionsOfStep(schedule, step - 1).count - images,
  };
}

/** Type of the condition of a job whose file had `precision: auto`: what that became, and why. */
export const PRECISION_CHOSEN = 'PrecisionChosen';

/** Conditions that do not follow from the run. */
const KEPT_CONDITIONS: ReadonlySet<string> = new Set(['Recorded', 'Durable', 'Loaded']);

/** Updates the record from its run: state, reasons, members, events. `now` is RFC 3339. */
export function withRun(job: Job, run: JobRun, now: string): Job {
  const state: JobState = run.phase === 'ended' ? run.outcome!.state : run.phase === 'stopping' ? 'running' : run.phase;
  const isScheduled = run.generation > 0 && run.phase !== 'queued';
  const unscheduled = run.preemption === undefined ? 'Waiting' : 'Preempted';
  const isRunning = run.phase === 'running' || run.phase === 'stopping' || run.phase === 'pausing';
  return {
    ...job,
    state,
    message: run.message,
    generation: run.generation,
    startedAt: job.startedAt === '' && isRunning ? now : job.startedAt,
    endedAt: job.endedAt === '' && run.phase === 'ended' ? now : job.endedAt,
    members: membersOf(job, run),
    stepsRedone: run.stepsRedone,
    ...(run.results !== undefined && { results: run.results }),
    events: run.records.map(eventOf),
    conditions: [
      // Without its choice the run was lost, and begun anew from the record.
      ...job.conditions.filter(({ type }) => KEPT_CONDITIONS.has(type) || (type === PRECISION_CHOSEN && run.choice === undefined)),
      condition(job, { type: 'Scheduled', status: isScheduled, reason: isScheduled ? 'Placed' : unscheduled, message: run.message }, now),
      condition(job, { type: 'Running', status: isRunning, reason: isRunning ? 'Training' : 'NotTraining', message: run.message }, now),
      ...progressing(job, run, now),
      ...(run.choice === undefined
        ? []
        : [condition(job, { type: PRECISION_CHOSEN, status: true, reason: 'Auto', message: run.choice.reason }, now)]),
      ...(run.inexact === undefined
        ? []
        : [condition(job, { type: 'Exact', status: false, reason: 'MixedDevices', message: run.inexact }, now)]),
      ...(run.outcome === undefined
        ? []
        : [
            condition(
              job,
              {
                type: run.outcome.state === 'succeeded' ? 'Complete' : 'Failed',
                status: run.outcome.state !== 'cancelled',
                reason: run.outcome.reason,
                message: run.outcome.message,
              },
              now,
            ),
          ]),
    ],
  };
}

/** Records never change, and each is shown with every change of its job. */
const events = new WeakMap<RunRecord, JobEvent>();

function eventOf(record: RunRecord): JobEvent {
  const known = events.get(record);
  if (known !== undefined) return known;
  const { timeMs, generation, step, type, message } = record;
  const event = { time: new Date(timeMs).toISOString(), generation, step, type, message };
  events.set(record, event);
  return event;
}

/** Adds the reason why a queued job waits to its record; returns the same object when it is not queued, or nothing has changed. */
export function withWaiting(job: Job, { phase, preemption }: Pick<JobRun, 'phase' | 'preemption'>, reason: string): Job {
  const message = preemption === undefined ? reason : `${preemption}; ${reason}`;
  return phase !== 'queued' || job.message === message ? job : { ...job, message };
}

/** Adds why a restored job waits for a coordinator that is set up otherwise, if it does, to its record. */
export function withHeld(job: Job, held: string | undefined, now: string = new Date().toISOString()): Job {
  const conditions = job.conditions.filter(({ type }) => type !== 'Loaded');
  if (held === undefined) return conditions.length === job.conditions.length ? job : { ...job, conditions };
  const next = { type: 'Loaded', status: false, reason: 'RecipeMissing', message: held };
  return { ...job, conditions: [...conditions, condition(job, next, now)] };
}

/** Returns the condition of a running job: steps take their usual time, or whom a slow one waits for; its message changes with time. */
function progressing(job: Job, run: JobRun, now: string): Condition[] {
  if (run.phase !== 'running') return [];
  const message = describeSlowStep(run, Date.parse(now));
  const status = message === undefined;
  const next = { type: 'Progressing', status, reason: status ? 'StepsAsUsual' : 'SlowStep', message: message ?? '' };
  return [{ ...condition(job, next, now), message: next.message }];
}

/** Returns the members of the current view, or of the last one; those that have left keep their last reported state. */
function membersOf(job: Job, run: JobRun): Job['members'] {
  const members = run.view?.members ?? run.pastViews.at(-1)?.members ?? [];
  const workers = workersById(run.workers);
  return members.map((member) => {
    const worker = workers.get(member.id);
    if (worker !== undefined) return memberOf(worker, member);
    const { name, id, firstRank, ranks } = member;
    const before = job.members.find((each) => each.id === id);
    const { phase, step, phaseSeconds, waitingFor, lastHeard } = before ?? NOTHING_HEARD;
    return { name, id, firstRank, ranks, status: 'left', phase, step, phaseSeconds, waitingFor, lastHeard };
  });
}

const NOTHING_HEARD = { phase: '', step: 0, phaseSeconds: 0, waitingFor: '', lastHeard: '' };

/** A worker's record changes when it was heard; an event of a job is mostly about one of its members. */
const shownMembers = new WeakMap<RunWorker, { readonly of: ViewMember; readonly shown: JobMember }>();

function memberOf(worker: RunWorker, member: ViewMember): JobMember {
  const known = shownMembers.get(worker);
  if (known?.of === member) return known.shown;
  const { name, id, firstRank, ranks } = member;
  const { status, phase, step, phaseSeconds, waitingFor } = worker;
  const lastHeard = new Date(worker.lastHeardMs).toISOString();
  const shown = { name, id, firstRank, ranks, status, phase, step, phaseSeconds, waitingFor, lastHeard };
  shownMembers.set(worker, { of: member, shown });
  return shown;
}

/** Adds why steps do not reach Redis to the record, if they do not; returns the same object when nothing has changed. */
export function withBookkeeping(job: Job, problem: string | undefined, now: string): Job {
  const next = {
    type: 'Recorded',
    status: problem === undefined,
    reason: problem === undefined ? 'Written' : 'Waiting',
    message: problem ?? '',
  };
  const before = job.conditions.find(({ type }) => type === next.type);
  if ((before === undefined && problem === undefined) || (before?.status === next.status && before.message === next.message)) return job;
  return { ...job, conditions: [...job.conditions.filter(({ type }) => type !== next.type), condition(job, next, now)] };
}

/**
 * Adds why an accepted job may be lost to the record, if it may; returns the same object when nothing has changed, and when the job has
 * ended.
 */
export function withRisk(job: Job, risk: string | undefined, now: string): Job {
  const before = job.conditions.find(({ type }) => type === 'Durable');
  if (isTerminal(job.state) || (before === undefined && risk === undefined) || before?.message === (risk ?? '')) return job;
  const next = { type: 'Durable', status: risk === undefined, reason: risk === undefined ? 'Kept' : 'AtRisk', message: risk ?? '' };
  return { ...job, conditions: [...job.conditions.filter(({ type }) => type !== 'Durable'), { ...next, lastTransitionTime: now }] };
}

/** Adds a checkpoint to the record, replacing one of the same step. */
export function withCheckpoint(job: Job, checkpoint: JobCheckpoint): Job {
  const others = job.checkpoints.filter(({ step }) => step !== checkpoint.step);
  return { ...job, checkpoints: [...others, checkpoint].sort((a, b) => a.step - b.step) };
}

/** Keeps the time of the last transition, and its message, while the status stays. */
function condition(job: Job, next: Omit<Condition, 'lastTransitionTime'>, now: string): Condition {
  const before = job.conditions.find(({ type }) => type === next.type);
  return before !== undefined && before.status === next.status && before.reason === next.reason
    ? before
    : { ...next, lastTransitionTime: now };
}
