import type { LogSink } from '@maestro/logs';
import type { PathRoots, TlsFiles } from '@maestro/protocol';
import type { RedisConnection } from '@maestro/redis';
import type { Logger } from '@maestro/telemetry';
import type { Coordinator } from '../jobs/coordinator.ts';
import type { JobLogs } from '../jobs/jobLogs.ts';
import type { Observer } from '../metrics/observer.ts';
import type { Access } from '../security/tokens.ts';

/** Dependencies of the HTTP routes. */
export interface HttpDeps {
  readonly coordinator: Coordinator;
  readonly observer: Observer;
  readonly redis: RedisConnection;
  /** Folder of checkpoints, archives and pictures of jobs. */
  readonly dataDir: string;
  /** Places that jobs may use. */
  readonly roots: PathRoots;
  /** Checks tokens and roles. */
  readonly access: Access;
  /** TLS files of the server; plain HTTP when omitted. */
  readonly tls?: TlsFiles | undefined;
  readonly logs: JobLogs;
  /** Receives lines that clients push. */
  readonly logSink: LogSink;
  readonly log: Logger;
}
