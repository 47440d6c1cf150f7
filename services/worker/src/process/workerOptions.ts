import type { Collective } from '@maestro/collective';
import type { BoundedFolderOptions } from '@maestro/data';
import type { FailureTimeouts, PathRoots, TlsFiles } from '@maestro/protocol';
import type { Logger } from '@maestro/telemetry';
import type { ComputeSettings } from './computeSettings.ts';
import type { Faults } from './faults.ts';
import type { WorkerMetrics } from './workerMetrics.ts';

/** Setup of a worker process. */
export interface WorkerOptions {
  readonly name: string;
  /** host:port of the coordinator. */
  readonly coordinator: string;
  readonly redisUrl: string;
  /** Folder of artifacts and checkpoints; the same for all workers of a job. */
  readonly dataDir: string;
  /** Folder of snapshots of a sharded state, on a local disk. Files in it have no names and end with the process. */
  readonly scratchDir: string;
  /** Cache for parts of remote data sets. Default: none. */
  readonly cache?: BoundedFolderOptions | undefined;
  /** Time for which requests to an unresponsive server of a data set are retried, in milliseconds. */
  readonly patienceMs?: number | undefined;
  readonly compute: ComputeSettings;
  readonly collective: Collective;
  readonly timeouts: FailureTimeouts;
  /** Folders that jobs may use. Default: any. */
  readonly roots?: PathRoots;
  readonly tls?: TlsFiles | undefined;
  /** False only to measure what surviving failures costs: then no shard is leased, and no report is kept. */
  readonly isFaultTolerant: boolean;
  readonly faults: Faults;
  readonly metrics: WorkerMetrics;
  /** Called when a coordinator accepts it, and when it loses its coordinator. */
  readonly onAttached?: (isAttached: boolean) => void;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}
