import { Server, ServerCredentials } from '@grpc/grpc-js';
import { controlChannelOptions, errorMessage, type FailureTimeouts, MaestroError } from '@maestro/protocol';
import { addControlService } from './controlService.ts';
import type { Coordinator } from './coordinator.ts';
import type { JobLogs } from './jobLogs.ts';
import { addJobService } from './jobService.ts';

/** A listening server. */
export interface ListeningServer {
  /** host:port, with the port that was picked when 0 was asked for. */
  readonly address: string;
  /** Ends every call and stops listening. */
  close(): Promise<void>;
}

const CLOSE_GRACE_MS = 1000;

/**
 * Serves the job API and the workers' control streams at `listen` (host:port).
 * @throws MaestroError `unavailable` when the address cannot be listened on.
 */
export async function serve(coordinator: Coordinator, listen: string, timeouts: FailureTimeouts, logs: JobLogs): Promise<ListeningServer> {
  const server = new Server(controlChannelOptions(timeouts));
  addJobService(server, coordinator, logs);
  addControlService(server, coordinator);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(listen, ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound);
      else
        reject(
          new MaestroError('unavailable', `cannot listen at ${listen}: ${errorMessage(error)}; is another coordinator running?`, {
            cause: error,
          }),
        );
    });
  });
  return {
    address: `${listen.slice(0, listen.lastIndexOf(':'))}:${port}`,
    close: () =>
      new Promise((resolve) => {
        const timer = setTimeout(() => {
          server.forceShutdown();
          resolve(); // a peer that has stopped answering never lets the other way end
        }, CLOSE_GRACE_MS);
        server.tryShutdown(() => {
          clearTimeout(timer);
          resolve();
        });
      }),
  };
}
