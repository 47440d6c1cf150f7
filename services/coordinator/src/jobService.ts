import type { handleServerStreamingCall, handleUnaryCall, Server } from '@grpc/grpc-js';
import { isTerminal, type Job, loadService, toServiceError } from '@maestro/protocol';
import type { Coordinator } from './coordinator.ts';

/** Serves `maestro.v1.Jobs` on `server`. */
export function addJobService(server: Server, coordinator: Coordinator): void {
  const { service } = loadService('jobs.proto', 'Jobs');

  const unary =
    <Request, Response>(handle: (request: Request) => Response | Promise<Response>): handleUnaryCall<Request, Response> =>
    (call, reply) => {
      Promise.resolve()
        .then(() => handle(call.request))
        .then(
          (response) => reply(null, response),
          (error: unknown) => reply(toServiceError(error)),
        );
    };

  /** Sends the newest record when the client is ready for it; records in between are skipped, the last one never. */
  const watchJob: handleServerStreamingCall<{ id: string }, Job> = (call) => {
    let newest: Job | undefined;
    let isDraining = false;
    const flush = (): void => {
      while (newest !== undefined && !isDraining) {
        const job = newest;
        newest = undefined;
        isDraining = !call.write(job);
        if (isTerminal(job.state)) {
          unwatch();
          call.end();
          return;
        }
      }
    };
    let unwatch = (): void => undefined;
    call.on('drain', () => {
      isDraining = false;
      flush();
    });
    call.on('cancelled', () => unwatch());
    try {
      unwatch = coordinator.watch(call.request.id, (job) => {
        newest = job;
        setImmediate(flush);
      });
    } catch (error) {
      call.emit('error', toServiceError(error));
    }
  };

  server.addService(service, {
    SubmitJob: unary(
      async ({ specJson, idempotencyKey }: { specJson: string; idempotencyKey: string }) =>
        (await coordinator.submit(specJson, idempotencyKey)).job,
    ),
    GetJob: unary(({ id }: { id: string }) => coordinator.get(id)),
    ListJobs: unary(() => ({ jobs: coordinator.list() })),
    WatchJob: watchJob,
    CancelJob: unary(({ id }: { id: string }) => coordinator.cancel(id)),
    AuditJob: unary(({ id }: { id: string }) => coordinator.audit(id)),
    PauseJob: unary(({ id }: { id: string }) => coordinator.pause(id)),
    ResumeJob: unary(({ id }: { id: string }) => coordinator.resume(id)),
    DrainWorker: unary(({ name }: { name: string }) => coordinator.drainWorker(name)),
    ListWorkers: unary(() => ({ workers: coordinator.workers() })),
  });
}
