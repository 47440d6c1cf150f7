import { examineJob, imageCost, planJob, planWarnings, type WorkerAtHand } from '@maestro/data';
import type { Job, JobCheck, JobSpec, WorkerInfo } from '@maestro/protocol';

/** A job of the past or present, for the speed that it had. */
interface SeenJob {
  readonly job: Pick<Job, 'progress' | 'members'>;
  readonly spec: JobSpec;
}

/** What a job file is judged by beside what it says. */
export interface JobSituation {
  readonly workers: readonly (WorkerAtHand & Pick<WorkerInfo, 'host' | 'isDrained'>)[];
  /** In order of submission. */
  readonly jobs: readonly SeenJob[];
  /** The name of the coordinator's machine. */
  readonly host: string;
}

interface Asked extends JobSituation {
  /** Steps that the checkpoint has done from which the job goes on. */
  readonly startStep: number;
}

/**
 * Refuses a job that could never do anything, by all that the coordinator can see. Gives what is to be known about it.
 * @throws MaestroError `invalid-argument` or `data-invalid` with every problem.
 */
export async function requireFeasible(spec: JobSpec, asked: Asked): Promise<string[]> {
  const { samples, warnings } = await examineJob(spec, { isCertain: seesAll(asked), startStep: asked.startStep });
  const plan = planJob(spec, { samples, workers: usable(asked) });
  return [...warnings, ...planWarnings(plan, spec), ...workerWarnings(spec, asked)];
}

/** {@link requireFeasible} for a dry run, which counts all samples and tells what follows. */
export async function checkJob(spec: JobSpec, asked: Asked): Promise<JobCheck> {
  const { samples, warnings } = await examineJob(spec, { isCertain: seesAll(asked), startStep: asked.startStep, countsAll: true });
  const plan = planJob(spec, { samples, workers: usable(asked), measuredSpeed: measuredSpeed(spec, asked) });
  return { spec, plan, warnings: [...warnings, ...planWarnings(plan, spec), ...workerWarnings(spec, asked)] };
}

/** Whether every worker is on the coordinator's machine, and sees the same files. Where there is none yet, nobody can tell. */
function seesAll({ workers, host }: JobSituation): boolean {
  return workers.length > 0 && workers.every((worker) => worker.host === host);
}

const usable = ({ workers }: JobSituation): WorkerAtHand[] => workers.filter(({ isDrained }) => !isDrained);

/** That a job has to wait for workers that are not there yet. */
function workerWarnings({ resources: { device, minWorkers, allowMixedDevices } }: JobSpec, situation: JobSituation): string[] {
  const workers = usable(situation);
  const fitting = workers.filter((worker) => worker.device === device || allowMixedDevices).length;
  if (fitting >= minWorkers) return [];
  if (workers.length === 0) return ['resources: no workers are connected; the job waits for one'];
  const devices = [...new Set(workers.map((worker) => worker.device))].join(', ');
  const count = `${workers.length} ${workers.length === 1 ? 'is' : 'are'} connected (${devices})`;
  if (fitting === 0) {
    return [
      `resources.device: no connected worker has ${device}: ${count}; the job waits until a worker with MAESTRO_DEVICE=${device} is ` +
        'started',
    ];
  }
  return [`resources.minWorkers: ${fitting} of the ${minWorkers} required ${device} workers are connected; the job waits for the rest`];
}

/** Multiply-adds a second of one worker, by the newest job that ran on the same device. */
function measuredSpeed({ resources: { device } }: JobSpec, { jobs }: JobSituation): number | undefined {
  const seen = jobs.findLast(
    ({ job, spec }) => spec.resources.device === device && job.members.length > 0 && (job.progress?.imagesPerSecond ?? 0) > 0,
  );
  return seen && (seen.job.progress!.imagesPerSecond * imageCost(seen.spec)) / seen.job.members.length;
}
