/** Messages of proto/maestro/v1/jobs.proto; quantities and meaning are documented there. */

import type { Metrics } from './metrics.ts';

/** Every state of a job. The last three are terminal. */
export const JOB_STATES = ['queued', 'starting', 'running', 'pausing', 'paused', 'succeeded', 'failed', 'cancelled'] as const;

/** A state in {@link JOB_STATES}. */
export type JobState = (typeof JOB_STATES)[number];

/** True when a job in `state` has ended; such a state never changes. */
export function isTerminal(state: JobState): boolean {
  return state === 'succeeded' || state === 'failed' || state === 'cancelled';
}

/** One observation of a job, after the Kubernetes convention. */
export interface Condition {
  readonly type: string;
  readonly status: boolean;
  readonly reason: string;
  readonly message: string;
  readonly lastTransitionTime: string;
}

/** A member of a job's current view, with its last reported activity. */
export interface JobMember {
  readonly name: string;
  readonly id: string;
  readonly firstRank: number;
  readonly ranks: number;
  /** `left` once it has gone. */
  readonly status: string;
  readonly phase: string;
  readonly step: number;
  /** Time spent in that phase so far, and the member that it waited for (empty: none). */
  readonly phaseSeconds: number;
  readonly waitingFor: string;
  readonly lastHeard: string;
}

/** An event of a job: a member joined or was lost, the reason of a view change. */
export interface JobEvent {
  readonly time: string;
  readonly generation: number;
  readonly step: number;
  readonly type: string;
  readonly message: string;
}

/** Progress of a job. `step` counts committed steps; times are in seconds. */
export interface JobProgress {
  readonly step: number;
  readonly totalSteps: number;
  readonly epoch: number;
  readonly totalEpochs: number;
  readonly images: number;
  /** Metrics of the job's recipe by name: the latest value of each, and the first. */
  readonly metrics: Metrics;
  readonly firstMetrics: Metrics;
  readonly imagesPerSecond: number;
  readonly etaSeconds: number;
  readonly skippedImages: number;
}

/** Legacy names of the loss and of the optimiser's numbers in a job's progress, kept beside the map of metrics for scripts. */
export interface FormerProgress {
  readonly lossFirst?: number;
  readonly loss?: number;
  readonly lr?: number;
  readonly gradNorm?: number;
}

/** Returns the numbers of a job's progress under their {@link FormerProgress} names; metrics that the job does not report are absent. */
export function formerProgress({ metrics, firstMetrics }: Pick<JobProgress, 'metrics' | 'firstMetrics'>): FormerProgress {
  const { loss, learningRate, gradNorm } = metrics;
  return {
    ...(firstMetrics['loss'] !== undefined && { lossFirst: firstMetrics['loss'] }),
    ...(loss !== undefined && { loss }),
    ...(learningRate !== undefined && { lr: learningRate }),
    ...(gradNorm !== undefined && { gradNorm }),
  };
}

/** A checkpoint of a job on disk. */
export interface JobCheckpoint {
  readonly step: number;
  readonly path: string;
  readonly hash: string;
}

/** A checkpoint as found on disk; `hash` and `problem` are empty when there is none. */
export interface StoredCheckpoint extends JobCheckpoint {
  readonly bytes: number;
  readonly createdAt: string;
  readonly valid: boolean;
  readonly problem: string;
}

/** A job as its clients see it. Times are RFC 3339, empty when not reached. */
export interface Job {
  readonly id: string;
  readonly name: string;
  readonly state: JobState;
  readonly message: string;
  readonly specJson: string;
  readonly createdAt: string;
  readonly startedAt: string;
  readonly endedAt: string;
  readonly generation: number;
  readonly members: readonly JobMember[];
  readonly conditions: readonly Condition[];
  readonly progress: JobProgress | null;
  readonly checkpoints: readonly JobCheckpoint[];
  /** In order of time, the newest last; bounded. */
  readonly events: readonly JobEvent[];
  /** Steps that were started and abandoned, or lost with all workers, and recomputed. */
  readonly stepsRedone: number;
  /** Step of the newest checkpoint with a picture; absent or 0 when there is none. */
  readonly reconstructedStep?: number;
  /** A job's measurements by name; absent or empty until it has any, and for training jobs. */
  readonly results?: Metrics;
  /** Findings that did not prevent admission but may not be intended; absent or empty when there are none. */
  readonly warnings?: readonly string[];
  /** Changes with every change of the record; compared for equality only. */
  readonly resourceVersion: string;
}

/** A worker connected to the coordinator; `jobId` is empty when it is free. */
export interface WorkerInfo {
  readonly name: string;
  readonly id: string;
  readonly address: string;
  readonly device: string;
  readonly threads: number;
  readonly pid: number;
  readonly host: string;
  readonly jobId: string;
  /** It gets no job until it is restarted. */
  readonly isDrained: boolean;
  /** Version of its native operators; 0 without. */
  readonly operators: number;
  /** The instruction set that they use, or why there are none. */
  readonly kernels: string;
}
