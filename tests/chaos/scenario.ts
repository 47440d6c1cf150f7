import type { Cluster } from '@maestro/cli';
import type { JobClient } from '@maestro/client';
import type { Job } from '@maestro/protocol';
import type { TcpProxy } from '../support/tcpProxy.ts';

/** A run of the small job in which something goes wrong. Whatever it is, the job must end with the reference's bits and a clean audit. */
export interface Scenario {
  /** Short, for `--only`. */
  readonly name: string;
  /** What happens, in a sentence. */
  readonly story: string;
  /** Workers at the start: worker-a and so on. Default 2. */
  readonly workers?: number;
  readonly minWorkers?: number;
  readonly maxWorkers?: number;
  /** Length of the job. Default 40. */
  readonly steps?: number;
  /** Steps between checkpoints. Default 10. */
  readonly everySteps?: number;
  /** Whether moments are sharded over the workers; the reference is a job of full replicas in any case. Default false. */
  readonly isSharded?: boolean;
  /** Faults that strike workers of these names at exact steps and phases, as MAESTRO_FAULTS has them. */
  readonly faults?: Readonly<Record<string, string>>;
  /** Whether workers reach coordinator, Redis and each other through proxies. */
  readonly isProxied?: boolean;
  /** What is done while the job runs. */
  readonly act?: (stage: Stage) => Promise<void>;
  /** Bound on the time from each fault to the next committed step, in milliseconds. Default 10,000. */
  readonly recoveryMs?: number;
  /** Bound on committed steps that are done again. Default 0: only the death of all members may lose any. */
  readonly redone?: number;
  /** Looks at the job at its end, and says what is wrong with it. */
  readonly check?: (job: Job) => string | undefined;
}

/** The proxies between one worker and the rest. */
export interface WorkerProxies {
  readonly coordinator: TcpProxy;
  readonly redis: TcpProxy;
  /** Between the worker and the peers that dial it. */
  readonly peers: TcpProxy;
}

/** Where a scenario acts. */
export interface Stage {
  readonly cluster: Cluster;
  readonly client: JobClient;
  /** Of the job that was submitted last. */
  jobId(): string;
  /** Resolves when so many steps are committed. */
  atStep(step: number): Promise<Job>;
  /** Resolves when the job is seen in a condition. */
  until(condition: string, holds: (job: Job) => boolean): Promise<Job>;
  /** Says that something goes wrong now: recovery is measured from here. */
  mark(): void;
  /** Marks, and kills at once all that are named. */
  kill(...names: readonly string[]): void;
  /** Starts a worker, with proxies in a scenario that has them; resolves when its process runs. */
  addWorker(name: string, options?: { readonly faults?: string }): Promise<void>;
  /** Starts a worker again under its name, without faults. */
  restartWorker(name: string): Promise<void>;
  /** The proxies of a worker. */
  proxies(worker: string): WorkerProxies;
  /** Cancels the job, and submits it again to go on from its last checkpoint, on at most so many workers; from here on it is the job. */
  resubmit(options: { readonly maxWorkers: number }): Promise<void>;
  /** Resolves when a fault has struck in that worker; it is marked by itself. */
  struck(worker: string): Promise<void>;
}
