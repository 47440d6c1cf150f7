import type { LogSink } from '@maestro/logs';
import type { PathRoots, TlsFiles } from '@maestro/protocol';
import type { RedisConnection } from '@maestro/redis';
import type { Logger } from '@maestro/telemetry';
import type { Coordinator } from '../jobs/coordinator.ts';
import type { JobLogs } from '../jobs/jobLogs.ts';
import type { Observer } from '../metrics/observer.ts';
import type { Access } from '../security/tokens.ts';

/** What the rooms of the HTTP server are given. */
export interface HttpDeps {
  readonly coordinator: Coordinator;
  readonly observer: Observer;
  readonly redis: RedisConnection;
  /** Where checkpoints, archives and pictures of jobs are. */
  readonly dataDir: string;
  /** Places that jobs may use. */
  readonly roots: PathRoots;
  /** Who may come in. */
  readonly access: Access;
  /** What it serves with; plain HTTP when left out. */
  readonly tls?: TlsFiles | undefined;
  readonly logs: JobLogs;
  /** Takes lines that clients push. */
  readonly logSink: LogSink;
  readonly log: Logger;
}
