import type { Cluster } from '@maestro/cli';
import type { JobClient } from '@maestro/client';
import type { Job } from '@maestro/protocol';
import type { TcpProxy } from '../support/network/tcpProxy.ts';

/** A run of the small job with faults. Whatever happens, the job must end with the reference's bits and a clean audit. */
export interface Scenario {
  /** Short name, for `--only`. */
  readonly name: string;
  /** One sentence about what happens. */
  readonly story: string;
  /** Workers at the start: worker-a and so on. Default 2. */
  readonly workers?: number;
  readonly minWorkers?: number;
  readonly maxWorkers?: number;
  /** Length of the job. Default 40. */
  readonly steps?: number;
  /** Steps between checkpoints. Default 10. */
  readonly everySteps?: number;
  /** True to shard the moments over the workers; the reference is always a job with full replicas. Default false. */
  readonly isSharded?: boolean;
  /** True to train the larger model, as sharded scenarios do: its gradient is sent in stages. Default false. */
  readonly isLarger?: boolean;
  /** Faults that strike workers of these names at exact steps and phases, in the form of MAESTRO_FAULTS. */
  readonly faults?: Readonly<Record<string, string>>;
  /** True to let workers reach coordinator, Redis and each other through proxies. */
  readonly isProxied?: boolean;
  /** Actions while the job runs. */
  readonly act?: (stage: Stage) => Promise<void>;
  /** Maximum time from each fault to the next committed step, in milliseconds. Default 10,000. */
  readonly recoveryMs?: number;
  /** Maximum committed steps that are recomputed. Default 0: only the death of all members may lose any. */
  readonly redone?: number;
  /** Checks the job at its end, and returns the problem if there is one. */
  readonly check?: (job: Job) => string | undefined;
}

/** The proxies between one worker and the rest. */
export interface WorkerProxies {
  readonly coordinator: TcpProxy;
  readonly redis: TcpProxy;
  /** Between the worker and the peers that dial it. */
  readonly peers: TcpProxy;
}

/** The cluster and job that a scenario acts on. */
export interface Stage {
  readonly cluster: Cluster;
  readonly client: JobClient;
  /** Returns the id of the job submitted last. */
  jobId(): string;
  /** Resolves when this many steps are committed. */
  atStep(step: number): Promise<Job>;
  /** Resolves when the job is seen to meet a condition. */
  until(condition: string, holds: (job: Job) => boolean): Promise<Job>;
  /** Marks the time of a fault: recovery is measured from here. */
  mark(): void;
  /** Marks, and kills all named workers at once. */
  kill(...names: readonly string[]): void;
  /** Starts a worker, with proxies in a scenario that has them; resolves when its process runs. */
  addWorker(name: string, options?: { readonly faults?: string }): Promise<void>;
  /** Restarts a worker under its name, without faults. */
  restartWorker(name: string): Promise<void>;
  /** Returns the proxies of a worker. */
  proxies(worker: string): WorkerProxies;
  /**
   * Cancels the job, and resubmits it to resume from its last checkpoint, on at most this many workers; the new one is the job from now on.
   */
  resubmit(options: { readonly maxWorkers: number }): Promise<void>;
  /** Resolves when a fault has struck in that worker; marks it automatically. */
  struck(worker: string): Promise<void>;
}
