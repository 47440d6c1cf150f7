import { examineJob, imageCost, planJob, planWarnings, type WorkerAtHand } from '@maestro/data';
import { GET_OPERATORS } from '@maestro/native/operators';
import type { Job, JobCheck, JobSpec, WorkerInfo } from '@maestro/protocol';
import { choosePrecision } from '../placement/choosePrecision.ts';
import { canCompute, demandOf } from '../placement/schedulableJob.ts';

/** A past or present job, for its measured speed. */
interface SeenJob {
  readonly job: Pick<Job, 'progress' | 'members'>;
  readonly spec: JobSpec;
}

/** A connected worker, as far as its fitness for a job goes. */
type SeenWorker = WorkerAtHand & Pick<WorkerInfo, 'name' | 'host' | 'isDrained'> & Partial<Pick<WorkerInfo, 'operators' | 'kernels'>>;

/** Surroundings by which a job file is judged. */
export interface JobSituation {
  readonly workers: readonly SeenWorker[];
  /** In order of submission. */
  readonly jobs: readonly SeenJob[];
  /** Host name of the coordinator's machine. */
  readonly host: string;
}

interface Asked extends JobSituation {
  /** Steps done by the checkpoint that the job resumes from. */
  readonly startStep: number;
}

/**
 * Refuses a job that could never do anything, judged by all that the coordinator can see. Returns its warnings.
 * @throws MaestroError `invalid-argument` or `data-invalid` with every problem.
 */
export async function requireFeasible(spec: JobSpec, asked: Asked): Promise<string[]> {
  const { samples, warnings } = await examineJob(spec, { isCertain: seesAll(asked), startStep: asked.startStep });
  const plan = planJob(spec, { samples, workers: usable(asked) });
  return [...warnings, ...planWarnings(plan, spec), ...workerWarnings(spec, asked)];
}

/** Like {@link requireFeasible}, for a dry run: counts all samples and returns the resulting plan. */
export async function checkJob(spec: JobSpec, asked: Asked): Promise<JobCheck> {
  const { samples, warnings } = await examineJob(spec, { isCertain: seesAll(asked), startStep: asked.startStep, countsAll: true });
  const plan = planJob(spec, { samples, workers: usable(asked), measuredSpeed: measuredSpeed(spec, asked) });
  const choice =
    spec.precision === 'auto' ? [`${choosePrecision(spec, usable(asked)).reason}; it is decided when the job first starts`] : [];
  return { spec, plan, warnings: [...warnings, ...planWarnings(plan, spec), ...workerWarnings(spec, asked), ...choice] };
}

/** Returns true when every worker is on the coordinator's machine, and so sees the same files. Without workers it is unknown. */
function seesAll({ workers, host }: JobSituation): boolean {
  return workers.length > 0 && workers.every((worker) => worker.host === host);
}

const usable = ({ workers }: JobSituation): SeenWorker[] => workers.filter(({ isDrained }) => !isDrained);

/** Warns that a job has to wait for workers that are not connected yet. */
function workerWarnings(spec: JobSpec, situation: JobSituation): string[] {
  const { device, minWorkers } = spec.resources;
  const { operators, ...ofDeviceAlone } = demandOf(spec);
  const workers = usable(situation);
  const ofDevice = workers.filter((worker) => canCompute(ofDeviceAlone, worker));
  const fitting = ofDevice.filter((worker) => canCompute(demandOf(spec), worker)).length;
  if (fitting >= minWorkers) return [];
  if (workers.length === 0) return ['resources: no workers are connected; the job waits for one'];
  if (ofDevice.length >= minWorkers) {
    const kernels = ofDevice.find((worker) => worker.operators !== operators)?.kernels;
    return [
      `precision ${spec.precision}: ${fitting} of the ${minWorkers} required workers have native operators of version ${operators} ` +
        `(${kernels || 'another version'}); the job waits for others; for these ${GET_OPERATORS}; precision standard runs anywhere`,
    ];
  }
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

/** Returns the multiply-adds per second of one worker, from the newest job that ran on the same device. */
function measuredSpeed({ resources: { device } }: JobSpec, { jobs }: JobSituation): number | undefined {
  const seen = jobs.findLast(
    ({ job, spec }) => spec.resources.device === device && job.members.length > 0 && (job.progress?.imagesPerSecond ?? 0) > 0,
  );
  return seen && (seen.job.progress!.imagesPerSecond * imageCost(seen.spec)) / seen.job.members.length;
}
