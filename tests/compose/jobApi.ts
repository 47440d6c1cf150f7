import { randomUUID } from 'node:crypto';
import type { AuditResource, CheckpointResource, JobResource, Page, WorkerResource } from '@maestro/protocol';
import { eventually } from '../support/eventually.ts';

/** What the test asks of the HTTP API, from outside, with a token. A coordinator that is away is asked again. */
export interface JobApi {
  /** Status of a request without any token. */
  anonymousStatus(path: string): Promise<number>;
  submit(spec: unknown): Promise<string>;
  cancel(id: string): Promise<void>;
  job(id: string): Promise<JobResource>;
  workers(): Promise<readonly WorkerResource[]>;
  checkpoints(id: string): Promise<readonly CheckpointResource[]>;
  audit(id: string): Promise<AuditResource>;
  /** Asks for the job until it is so; fails at once when it has ended otherwise. */
  until(id: string, what: string, holds: (job: JobResource) => boolean): Promise<JobResource>;
}

const REQUEST_MS = 10_000;
const PATIENCE_MS = 120_000;
const ENDED: readonly string[] = ['succeeded', 'failed', 'cancelled'];

/** The API at the address that `locate` finds; it is looked up for each request, since it changes when a container is started again. */
export function openJobApi(locate: () => Promise<string>, token: string): JobApi {
  const send = async (path: string, init: RequestInit = {}): Promise<Response> =>
    fetch(`http://${await locate()}${path}`, { ...init, signal: AbortSignal.timeout(REQUEST_MS) });
  const ask = <Body>(path: string, init: RequestInit = {}): Promise<Body> =>
    eventually(
      `an answer to ${path}`,
      async () => {
        const headers = {
          authorization: `Bearer ${token}`,
          ...(init.body !== undefined && { 'content-type': 'application/json' }),
          ...init.headers,
        };
        const response = await send(path, { ...init, headers }).catch(() => undefined);
        if (response === undefined || response.status >= 500) return undefined;
        const body = (await response.json()) as Body;
        if (!response.ok) throw new Error(`${path}: ${JSON.stringify(body)}`);
        return body;
      },
      { timeoutMs: PATIENCE_MS, pollMs: 100 },
    );
  const job = (id: string) => ask<JobResource>(`/api/v1/jobs/${id}`);
  return {
    job,
    anonymousStatus: async (path) => (await send(path)).status,
    submit: async (spec) => {
      const init = { method: 'POST', body: JSON.stringify(spec), headers: { 'idempotency-key': randomUUID() } };
      return (await ask<JobResource>('/api/v1/jobs', init)).id;
    },
    cancel: async (id) => {
      await ask(`/api/v1/jobs/${id}/cancel`, { method: 'POST' });
    },
    workers: async () => (await ask<Page<WorkerResource>>('/api/v1/workers')).items,
    checkpoints: async (id) => (await ask<Page<CheckpointResource>>(`/api/v1/jobs/${id}/checkpoints`)).items,
    audit: (id) => ask<AuditResource>(`/api/v1/jobs/${id}/audit`),
    until: (id, what, holds) =>
      eventually(
        what,
        async () => {
          const now = await job(id);
          if (holds(now)) return now;
          if (ENDED.includes(now.state)) throw new Error(`waited for ${what}, but the job is ${now.state}: ${now.message}`);
          return undefined;
        },
        { timeoutMs: PATIENCE_MS, pollMs: 50 },
      ),
  };
}
