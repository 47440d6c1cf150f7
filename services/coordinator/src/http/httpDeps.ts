import type { RedisConnection } from '@maestro/data';
import type { Logger } from '@maestro/telemetry';
import type { Coordinator } from '../coordinator.ts';

/** What the rooms of the HTTP server are given. */
export interface HttpDeps {
  readonly coordinator: Coordinator;
  readonly redis: RedisConnection;
  /** Where checkpoints, archives and pictures of jobs are. */
  readonly dataDir: string;
  readonly log: Logger;
}
