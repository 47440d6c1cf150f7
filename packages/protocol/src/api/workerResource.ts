import { z } from 'zod';
import type { WorkerInfo } from '../job/jobs.ts';
import { countSchema, jobIdSchema } from './primitives.ts';

/** A worker connected to the coordinator. */
export const workerResourceSchema = z
  .object({
    name: z.string(),
    id: z.string().describe('of this run of the worker process'),
    address: z.string().describe('address for other workers'),
    device: z.string(),
    threads: countSchema,
    pid: countSchema,
    host: z.string(),
    jobId: jobIdSchema.optional().describe('the job it works on; absent if free'),
    operators: countSchema.describe('version of its native operators; 0 without'),
    kernels: z.string().describe('the instruction set that its native operators use, or why there are none'),
    isDrained: z.boolean().describe('it gets no job until it is restarted'),
  })
  .meta({ id: 'Worker' });

/** See {@link workerResourceSchema}. */
export type WorkerResource = z.infer<typeof workerResourceSchema>;

/** Converts a worker to its resource. */
export function workerResource({ jobId, ...worker }: WorkerInfo): WorkerResource {
  return { ...worker, ...(jobId !== '' && { jobId }) };
}
