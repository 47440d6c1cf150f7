import type { Client, ClientReadableStream, Metadata, ServiceError } from '@grpc/grpc-js';
import {
  channelCredentials,
  controlChannelOptions,
  failureTimeouts,
  fromServiceError,
  type Job,
  type JobAudit,
  type JobCheck,
  type JobState,
  loadService,
  type MetricFormat,
  MOST_PAGE_LIMIT,
  readTls,
  type StoredCheckpoint,
  type TlsFiles,
  tokenMetadata,
  type WorkerInfo,
} from '@maestro/protocol';
import { outliveCoordinator } from './outliveCoordinator.ts';
import { type JobLogLine, type TailLogsOptions, tailLogs } from './tailLogs.ts';

const DEADLINE_MS = 10_000;
/** Deadline of an audit, which computes the permutation of each epoch that is not folded. */
const AUDIT_DEADLINE_MS = 120_000;

/** Client of a coordinator's job API. Every failure is a MaestroError with the server's code; `unavailable` when it cannot be reached. */
export interface JobClient {
  /** Submits a job file. Idempotent when given a key: a repeated call returns the same job. */
  submitJob(request: { readonly spec: unknown; readonly idempotencyKey?: string }): Promise<Job>;
  /** Validates a job file like a submit, creates nothing, and returns the plan that follows from it. */
  checkJob(spec: unknown): Promise<JobCheck>;
  getJob(id: string): Promise<Job>;
  /** Lists jobs, newest first: all, or the newest `limit`; only those in `state` if given. */
  listJobs(options?: { readonly limit?: number; readonly state?: JobState }): Promise<Job[]>;
  listWorkers(): Promise<WorkerInfo[]>;
  cancelJob(id: string): Promise<Job>;
  /** Lists the newest checkpoints on disk. */
  listCheckpoints(id: string): Promise<StoredCheckpoint[]>;
  /** Exports all recorded metrics of the job's steps as a file. */
  exportMetrics(id: string, format: MetricFormat): Promise<Uint8Array>;
  /** Audits that every sample of the job's committed steps was taken exactly once. Throws `not-found` while the job has no ledger. */
  auditJob(id: string): Promise<JobAudit>;
  /** Pauses the job at a step boundary, with a checkpoint, and frees its workers. */
  pauseJob(id: string): Promise<Job>;
  resumeJob(id: string): Promise<Job>;
  /** Takes a worker out of its job at a step boundary; it gets no other until it is restarted. */
  drainWorker(name: string): Promise<WorkerInfo>;
  /**
   * Yields the job now and at each change; ends with the job. Stops silently when `signal` aborts. A coordinator that goes away meanwhile
   * may take `patienceMs` to come back (default 60,000).
   */
  watchJob(id: string, options?: { readonly signal?: AbortSignal; readonly patienceMs?: number }): AsyncGenerator<Job>;
  /**
   * Yields a job's log lines, oldest first; with `follow` until the job has ended and its last line was delivered. When the coordinator
   * goes away, retries from behind the last line received, like {@link JobClient.watchJob}: no line is lost or repeated.
   */
  tailLogs(id: string, request?: TailLogsOptions): AsyncGenerator<JobLogLine>;
  close(): void;
}

type Method<Request, Response> = (
  request: Request,
  metadata: Metadata,
  options: { deadline: number },
  reply: (error: ServiceError | null, response: Response) => void,
) => void;

/** Client methods generated from the loaded service definition. */
interface Stub extends Client {
  submitJob: Method<{ specJson: string; idempotencyKey: string }, Job>;
  checkJob: Method<{ specJson: string }, Omit<JobCheck, 'spec'> & { specJson: string }>;
  getJob: Method<{ id: string }, Job>;
  cancelJob: Method<{ id: string }, Job>;
  listCheckpoints: Method<{ id: string; limit: number; cursor: string }, { checkpoints: StoredCheckpoint[]; nextCursor: string }>;
  exportMetrics: Method<{ id: string; format: string }, { content: Uint8Array }>;
  auditJob: Method<{ id: string }, JobAudit>;
  pauseJob: Method<{ id: string }, Job>;
  resumeJob: Method<{ id: string }, Job>;
  drainWorker: Method<{ name: string }, WorkerInfo>;
  listJobs: Method<{ limit: number; cursor: string; state: string }, { jobs: Job[]; nextCursor: string }>;
  listWorkers: Method<object, { workers: WorkerInfo[] }>;
  watchJob(request: { id: string }, metadata: Metadata): ClientReadableStream<Job>;
  tailLogs(request: object, metadata: Metadata): ClientReadableStream<{ lines: JobLogLine[] }>;
}

/** Credentials of a client. */
export interface JobClientOptions {
  /** Default: `MAESTRO_TOKEN`. */
  readonly token?: string | undefined;
  /** Default: the files named by `MAESTRO_TLS_CERT`, `MAESTRO_TLS_KEY` and `MAESTRO_TLS_CA`; without them the connection is plain text. */
  readonly tls?: TlsFiles | undefined;
}

/** Creates a client of the coordinator at `address` (host:port); it connects on the first call. */
export function connectJobClient(address: string, { token, tls = readTls() }: JobClientOptions = {}): JobClient {
  const metadata = tokenMetadata(token);
  const Service = loadService('jobs.proto', 'Jobs');
  const stub = new Service(address, channelCredentials(tls), controlChannelOptions(failureTimeouts())) as unknown as Stub;

  const call = <Request, Response>(
    name: string,
    method: Method<Request, Response>,
    request: Request,
    deadlineMs = DEADLINE_MS,
  ): Promise<Response> =>
    new Promise((resolve, reject) => {
      method.call(stub, request, metadata, { deadline: Date.now() + deadlineMs }, (error, response) => {
        if (error !== null) reject(fromServiceError(error, `${name} at ${address}`));
        else resolve(response);
      });
    });

  return {
    submitJob: ({ spec, idempotencyKey = '' }) => call('submit', stub.submitJob, { specJson: JSON.stringify(spec), idempotencyKey }),
    async checkJob(spec) {
      const { specJson, plan, warnings } = await call('check', stub.checkJob, { specJson: JSON.stringify(spec) });
      return { spec: JSON.parse(specJson) as JobCheck['spec'], plan, warnings };
    },
    getJob: (id) => call('get', stub.getJob, { id }),
    async listJobs({ limit = Number.POSITIVE_INFINITY, state = '' } = {}) {
      const jobs: Job[] = [];
      for (let cursor = ''; ; ) {
        const page = await call('list', stub.listJobs, { limit: Math.min(MOST_PAGE_LIMIT, limit - jobs.length), cursor, state });
        jobs.push(...page.jobs);
        cursor = page.nextCursor;
        if (cursor === '' || jobs.length >= limit) return jobs;
      }
    },
    listCheckpoints: async (id) =>
      (await call('list checkpoints', stub.listCheckpoints, { id, limit: MOST_PAGE_LIMIT, cursor: '' })).checkpoints,
    exportMetrics: async (id, format) => (await call('export metrics', stub.exportMetrics, { id, format })).content,
    listWorkers: async () => (await call('list workers', stub.listWorkers, {})).workers,
    cancelJob: (id) => call('cancel', stub.cancelJob, { id }),
    auditJob: (id) => call('audit', stub.auditJob, { id }, AUDIT_DEADLINE_MS),
    pauseJob: (id) => call('pause', stub.pauseJob, { id }),
    resumeJob: (id) => call('resume', stub.resumeJob, { id }),
    drainWorker: (name) => call('drain', stub.drainWorker, { name }),
    watchJob: (id, { signal, patienceMs = 60_000 } = {}) =>
      outliveCoordinator<Job, Job>({
        open: () => stub.watchJob({ id }, metadata),
        values: (job) => [job],
        name: `watch at ${address}`,
        patienceMs,
        signal,
      }),
    tailLogs: (id, options = {}) => tailLogs((request) => stub.tailLogs(request, metadata), id, options),
    close: () => stub.close(),
  };
}
