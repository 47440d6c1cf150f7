import type { Collective } from '@maestro/collective';
import type { BoundedFolderOptions } from '@maestro/data';
import type { FailureTimeouts, PathRoots, TlsFiles } from '@maestro/protocol';
import type { Logger } from '@maestro/telemetry';
import type { ComputeSettings } from './computeSettings.ts';
import type { Faults } from './faults.ts';
import type { WorkerMetrics } from './workerMetrics.ts';

/** How a worker process is set up. */
export interface WorkerOptions {
  readonly name: string;
  /** host:port of the coordinator. */
  readonly coordinator: string;
  readonly redisUrl: string;
  /** Where artifacts and checkpoints go; the same folder for all workers of a job. */
  readonly dataDir: string;
  /** Where snapshots of a state in parts go: a folder on a local disk. Files in it have no names and end with the process. */
  readonly scratchDir: string;
  /** Where parts of data sets on other machines are kept. Default: nowhere. */
  readonly cache?: BoundedFolderOptions | undefined;
  /** For how long a server that stops answering is asked again for a part of a data set, in milliseconds. */
  readonly patienceMs?: number | undefined;
  readonly compute: ComputeSettings;
  readonly collective: Collective;
  readonly timeouts: FailureTimeouts;
  /** Folders that jobs may use. Default: any. */
  readonly roots?: PathRoots;
  readonly tls?: TlsFiles | undefined;
  /** False only to measure what surviving failures costs: no shard is leased then, and no report is kept. */
  readonly isFaultTolerant: boolean;
  readonly faults: Faults;
  readonly metrics: WorkerMetrics;
  /** Told whenever a coordinator takes it, and when it has none any more. */
  readonly onAttached?: (isAttached: boolean) => void;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}
