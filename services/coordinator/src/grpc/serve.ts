import { Server } from '@grpc/grpc-js';
import { ReflectionService } from '@grpc/reflection';
import { controlChannelOptions, type FailureTimeouts, listenError, loadProtos, serverCredentials, type TlsFiles } from '@maestro/protocol';
import type { Logger } from '@maestro/telemetry';
import { HealthImplementation, protoPath as healthProto } from 'grpc-health-check';
import type { Coordinator } from '../jobs/coordinator.ts';
import type { JobLogs } from '../jobs/jobLogs.ts';
import { grpcGuard } from '../security/guardGrpc.ts';
import type { Access } from '../security/tokens.ts';
import { addControlService } from './controlService.ts';
import { addJobService, type JobServiceOptions } from './jobService.ts';
import { withMapEntryNames } from './mapEntryNames.ts';

/** A listening server. */
export interface ListeningServer {
  /** host:port, with the actual port when 0 was requested. */
  readonly address: string;
  /** Ends every call and stops listening. */
  close(): Promise<void>;
}

const CLOSE_GRACE_MS = 1000;

/** Options of {@link serve}. */
export interface ServeOptions {
  readonly coordinator: Coordinator;
  readonly observer: JobServiceOptions['observer'];
  readonly logs: JobLogs;
  /** host:port. */
  readonly listen: string;
  readonly dataDir: string;
  readonly timeouts: FailureTimeouts;
  readonly access: Access;
  /** When set, every client must have a certificate of the same authority. */
  readonly tls?: TlsFiles | undefined;
  readonly log: Logger;
}

/**
 * Serves the job API, the workers' control streams, reflection and health.
 * @throws MaestroError `unavailable` when the address cannot be listened on.
 */
export async function serve({
  coordinator,
  observer,
  logs,
  listen,
  dataDir,
  timeouts,
  access,
  tls,
  log,
}: ServeOptions): Promise<ListeningServer> {
  const server = new Server({ ...controlChannelOptions(timeouts), interceptors: [grpcGuard(access, tls !== undefined, log)] });
  addJobService(server, { coordinator, observer, logs, dataDir });
  addControlService(server, coordinator);
  new ReflectionService(withMapEntryNames(loadProtos('maestro/v1/jobs.proto', healthProto))).addToServer(server);
  const health = new HealthImplementation({ '': 'SERVING', 'maestro.v1.Jobs': 'SERVING' });
  health.addToServer(server);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(listen, serverCredentials(tls), (error, bound) => {
      if (error === null) resolve(bound);
      else reject(listenError(listen, error, { what: 'gRPC', variable: 'MAESTRO_GRPC_LISTEN (`maestro up --port`)' }));
    });
  });
  return {
    address: `${listen.slice(0, listen.lastIndexOf(':'))}:${port}`,
    close: () =>
      new Promise((resolve) => {
        health.setStatus('', 'NOT_SERVING');
        const timer = setTimeout(() => {
          server.forceShutdown();
          resolve(); // a peer that has stopped answering would block the graceful way forever
        }, CLOSE_GRACE_MS);
        server.tryShutdown(() => {
          clearTimeout(timer);
          resolve();
        });
      }),
  };
}
