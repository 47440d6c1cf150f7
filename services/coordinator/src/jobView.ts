import type { Schedule } from '@maestro/data';
import type { Condition, Job, JobCheckpoint, JobProgress, JobSpec, JobState, StepCommitted } from '@maestro/protocol';
import type { JobRun } from './jobRun.ts';

type StepCounts = Pick<Schedule, 'totalSteps' | 'stepsPerEpoch'>;

/** How much the newest step counts in the running mean of the speed. */
const SPEED_WEIGHT = 0.1;

/** The record of a job that was just submitted. */
export function newJob({
  id,
  spec,
  specJson,
  now,
}: {
  readonly id: string;
  readonly spec: JobSpec;
  readonly specJson: string;
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
  };
}

/** Progress before the first step. */
export function initialProgress({ totalSteps, stepsPerEpoch }: StepCounts, startStep: number): JobProgress {
  return {
    step: startStep,
    totalSteps,
    epoch: startStep / stepsPerEpoch,
    totalEpochs: totalSteps / stepsPerEpoch,
    images: 0,
    lossFirst: 0,
    loss: 0,
    lr: 0,
    gradNorm: 0,
    imagesPerSecond: 0,
    etaSeconds: 0,
    skippedImages: 0,
  };
}

/** Progress after one more committed step. The speed is an exponential mean over steps of images per second. */
export function advanceProgress(progress: JobProgress, committed: StepCommitted, { stepsPerEpoch, totalSteps }: StepCounts): JobProgress {
  const { step, loss, lr, gradNorm, images, stepSeconds } = committed;
  const isFirst = progress.images === 0;
  const speed = images / Math.max(stepSeconds, 1e-9);
  const imagesPerSecond = isFirst ? speed : progress.imagesPerSecond * (1 - SPEED_WEIGHT) + speed * SPEED_WEIGHT;
  return {
    step,
    totalSteps,
    epoch: step / stepsPerEpoch,
    totalEpochs: totalSteps / stepsPerEpoch,
    images: progress.images + images,
    lossFirst: isFirst ? loss : progress.lossFirst,
    loss,
    lr,
    gradNorm,
    imagesPerSecond,
    etaSeconds: ((totalSteps - step) * images) / Math.max(imagesPerSecond, 1e-9),
    skippedImages: progress.skippedImages,
  };
}

/** The record brought up to date with its run: state, reasons, members. `now` is RFC 3339. */
export function withRun(job: Job, run: JobRun, now: string): Job {
  const state: JobState = run.phase === 'ended' ? run.outcome!.state : run.phase === 'stopping' ? 'running' : run.phase;
  const isRunning = run.phase === 'running' || run.phase === 'stopping';
  return {
    ...job,
    state,
    message: run.message,
    generation: run.generation,
    startedAt: job.startedAt === '' && isRunning ? now : job.startedAt,
    endedAt: job.endedAt === '' && run.phase === 'ended' ? now : job.endedAt,
    members: run.members.map(({ name, id, firstRank, ranks, phase, step, lastHeardMs }) => ({
      name,
      id,
      firstRank,
      ranks,
      phase,
      step,
      lastHeard: new Date(lastHeardMs).toISOString(),
    })),
    conditions: [
      condition(
        job,
        { type: 'Scheduled', status: run.generation > 0, reason: run.generation > 0 ? 'Placed' : 'Waiting', message: run.message },
        now,
      ),
      condition(job, { type: 'Running', status: isRunning, reason: isRunning ? 'Training' : 'NotTraining', message: run.message }, now),
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

/** The record with one more checkpoint; a step that was written before is replaced. */
export function withCheckpoint(job: Job, checkpoint: JobCheckpoint): Job {
  const others = job.checkpoints.filter(({ step }) => step !== checkpoint.step);
  return { ...job, checkpoints: [...others, checkpoint].sort((a, b) => a.step - b.step) };
}

/** Keeps the time of the last transition, and the sentence that went with it, while the status stays. */
function condition(job: Job, next: Omit<Condition, 'lastTransitionTime'>, now: string): Condition {
  const before = job.conditions.find(({ type }) => type === next.type);
  return before !== undefined && before.status === next.status && before.reason === next.reason
    ? before
    : { ...next, lastTransitionTime: now };
}
