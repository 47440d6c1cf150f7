import type { handleServerStreamingCall, handleUnaryCall, Server } from '@grpc/grpc-js';
import { checkpointRoot } from '@maestro/checkpoint';
import {
  describeIssues,
  exportQuerySchema,
  formerProgress,
  isTerminal,
  JOB_STATES,
  type Job,
  loadService,
  MaestroError,
  pageOf,
  pageQuerySchema,
  recipeOf,
  type StoredCheckpoint,
  toServiceError,
} from '@maestro/protocol';
import { z } from 'zod';
import type { Coordinator } from '../jobs/coordinator.ts';
import { listJobCheckpoints } from '../jobs/jobCheckpoints.ts';
import type { JobLogs } from '../jobs/jobLogs.ts';
import { exportRows } from '../metrics/exports.ts';
import type { Observer } from '../metrics/observer.ts';
import { newestOf } from '../run/state/newestOf.ts';
import { tailLogs } from './tailLogs.ts';

const listQuerySchema = pageQuerySchema.extend({ state: z.enum(JOB_STATES).optional() });

/** Options of {@link addJobService}. */
export interface JobServiceOptions {
  readonly coordinator: Coordinator;
  readonly observer: Pick<Observer, 'history'>;
  readonly logs: JobLogs;
  readonly dataDir: string;
}

/** Serves `maestro.v1.Jobs` on `server`. */
export function addJobService(server: Server, { coordinator, observer, logs, dataDir }: JobServiceOptions): void {
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

  /** Handles a request about a job, with its reference resolved to the job's id. */
  const ofJob = <Request extends { readonly id: string }, Response>(
    handle: (request: Request) => Response | Promise<Response>,
  ): handleUnaryCall<Request, Response> => unary(async (request) => handle({ ...request, id: await coordinator.locate(request.id) }));

  /** Sends the newest record when the client is ready for it; records in between are skipped, the last one never. */
  const watchJob: handleServerStreamingCall<{ id: string }, Job> = (call) => {
    const newest = newestOf<Job>((job) => {
      const takesMore = call.write(jobMessage(job));
      if (isTerminal(job.state)) {
        unwatch();
        call.end();
      }
      return takesMore;
    });
    let unwatch = (): void => undefined;
    call.on('drain', newest.drained);
    call.on('cancelled', () => unwatch());
    coordinator
      .locate(call.request.id)
      .then((id) => {
        if (!call.cancelled) unwatch = coordinator.watch(id, newest.offer);
      })
      .catch((error: unknown) => call.emit('error', toServiceError(error)));
  };

  server.addService(service, {
    SubmitJob: unary(async ({ specJson, idempotencyKey }: { specJson: string; idempotencyKey: string }) =>
      jobMessage((await coordinator.submit(specJson, idempotencyKey)).job),
    ),
    CheckJob: unary(async ({ specJson }: { specJson: string }) => {
      const { spec, ...check } = await coordinator.check(specJson);
      return { specJson: JSON.stringify(spec), ...check };
    }),
    GetJob: ofJob(({ id }: { id: string }) => jobMessage(coordinator.get(id))),
    ListJobs: unary((request: { limit: number; cursor: string; state: string }) => {
      const { state, ...page } = readQuery(listQuerySchema, request);
      const jobs = coordinator.list().filter((job) => state === undefined || job.state === state);
      const { items, nextCursor = '' } = pageOf(jobs, page, ({ id }) => id, 'descending');
      return { jobs: items.map(jobMessage), nextCursor };
    }),
    ListCheckpoints: ofJob(async ({ id, ...request }: { id: string; limit: number; cursor: string }) => {
      const page = readQuery(pageQuerySchema, request);
      const { items, nextCursor = '' } = await listJobCheckpoints(
        { root: checkpointRoot({ dataDir, jobId: id, location: coordinator.spec(id).checkpoint.location }), job: id },
        page,
      );
      return {
        checkpoints: items.map(({ hash = '', problem = '', ...item }): StoredCheckpoint => ({ ...item, hash, problem })),
        nextCursor,
      };
    }),
    ExportMetrics: ofJob(async (request: { id: string; format: string }) => {
      const { format } = readQuery(exportQuerySchema, { format: request.format });
      const job = coordinator.get(request.id);
      const recipe = recipeOf(coordinator.spec(job.id));
      return { content: exportRows(format, await observer.history(job.id), { recipe, startMs: Date.parse(job.createdAt) }) };
    }),
    WatchJob: watchJob,
    CancelJob: ofJob(async ({ id }: { id: string }) => jobMessage(await coordinator.cancel(id))),
    AuditJob: ofJob(({ id }: { id: string }) => coordinator.audit(id)),
    PauseJob: ofJob(async ({ id }: { id: string }) => jobMessage(await coordinator.pause(id))),
    ResumeJob: ofJob(async ({ id }: { id: string }) => jobMessage(await coordinator.resume(id))),
    DrainWorker: unary(({ name }: { name: string }) => coordinator.drainWorker(name)),
    TailLogs: tailLogs(logs, coordinator.locate),
    ListWorkers: unary(() => ({ workers: coordinator.workers() })),
  });
}

/** Converts a job for the wire: adds the fields for loss and optimiser metrics from before there were named metrics. */
function jobMessage(job: Job): Job {
  return job.progress === null ? job : { ...job, progress: { ...job.progress, ...formerProgress(job.progress) } };
}

/** Treats protobuf's default of an omitted field as omitted. */
function readQuery<Schema extends z.ZodType>(schema: Schema, request: Readonly<Record<string, unknown>>): z.output<Schema> {
  const given = Object.fromEntries(Object.entries(request).filter(([, value]) => value !== '' && value !== 0));
  const result = schema.safeParse(given);
  if (result.success) return result.data;
  const issues = describeIssues(result.error, schema, given);
  throw new MaestroError('invalid-argument', issues.join('; '), { details: { issues } });
}
