import {
  JOB_STATES,
  type Job,
  type JobCheck,
  jobCheckSchema,
  jobFileSchema,
  jobParamsSchema,
  jobResource,
  jobResourceSchema,
  pageOf,
  pageQuerySchema,
  pageSchema,
  recipeOf,
  recipeResource,
} from '@maestro/protocol';
import { z } from 'zod';
import type { HttpApp } from '../httpApp.ts';
import type { HttpDeps } from '../httpDeps.ts';
import { PROBLEMS } from '../problemResponses.ts';

const listQuerySchema = pageQuerySchema.extend({ state: z.enum(JOB_STATES).optional().describe('only jobs in this state') });
const submitHeadersSchema = z.object({
  'idempotency-key': z
    .string()
    .min(1)
    .max(200)
    .regex(/^[\x21-\x7e]+$/, 'expected printable ASCII without spaces')
    .optional()
    .describe('submitting again with the same key returns the same job'),
});

const submitQuerySchema = z.strictObject({
  dryRun: z.enum(['true', 'false']).default('false').describe('check the job file without creating a job'),
});

/** Answer of an HTTP dry run. */
const dryRun = (check: JobCheck) => ({ dryRun: true as const, ...check, recipe: recipeResource(recipeOf(check.spec)) });

/** Adds the job routes: submit, list, get, pause, resume, cancel. */
export function addJobRoutes(app: HttpApp, { coordinator }: HttpDeps): void {
  const resource = (job: Job) => jobResource(job, coordinator.spec(job.id));
  const tags = ['jobs'];
  /** Job files as received: once defaults are filled in, the caller's choices cannot be told apart. */
  const written = new WeakMap<object, unknown>();

  app.post(
    '/api/v1/jobs',
    {
      preValidation: async (request) => void written.set(request, request.body),
      schema: {
        operationId: 'submitJob',
        summary: 'Submits a job file. If it is rejected, nothing is created.',
        tags,
        headers: submitHeadersSchema,
        querystring: submitQuerySchema,
        body: jobFileSchema,
        response: {
          200: z.union([jobResourceSchema, jobCheckSchema]).describe('the job submitted earlier with this key'),
          201: jobResourceSchema,
          ...PROBLEMS,
        },
      },
    },
    async (request, reply) => {
      const specJson = JSON.stringify(written.get(request));
      if (request.query.dryRun === 'true') return reply.code(200).send(dryRun(await coordinator.check(specJson)));
      const { job, isNew } = await coordinator.submit(specJson, request.headers['idempotency-key'] ?? '');
      return reply
        .code(isNew ? 201 : 200)
        .header('location', `/api/v1/jobs/${job.id}`)
        .send(resource(job));
    },
  );

  app.get(
    '/api/v1/jobs',
    {
      schema: {
        operationId: 'listJobs',
        summary: 'Jobs, newest first.',
        tags,
        querystring: listQuerySchema,
        response: { 200: pageSchema(jobResourceSchema), ...PROBLEMS },
      },
    },
    (request) => {
      const { state, ...page } = request.query;
      const jobs = coordinator.list().filter((job) => state === undefined || job.state === state);
      const { items, ...rest } = pageOf(jobs, page, ({ id }) => id, 'descending');
      return { items: items.map(resource), ...rest };
    },
  );

  app.get(
    '/api/v1/jobs/:id',
    {
      schema: {
        operationId: 'getJob',
        summary: 'One job.',
        tags,
        params: jobParamsSchema,
        response: { 200: jobResourceSchema, ...PROBLEMS },
      },
    },
    (request) => resource(coordinator.get(request.params.id)),
  );

  const actions = {
    pause: 'Pauses the job at a step boundary, after a checkpoint, and frees its workers. A finished job gives 409.',
    resume: 'Queues a paused job again; it continues from its newest valid checkpoint.',
    cancel: 'Cancels the job at the next step boundary, after a checkpoint. A finished job is unchanged.',
  } as const;
  for (const action of ['pause', 'resume', 'cancel'] as const) {
    app.post(
      `/api/v1/jobs/:id/${action}`,
      {
        schema: {
          operationId: `${action}Job`,
          summary: actions[action],
          tags,
          params: jobParamsSchema,
          response: { 200: jobResourceSchema, ...PROBLEMS },
        },
      },
      async (request) => resource(await coordinator[action]((request.params as z.infer<typeof jobParamsSchema>).id)),
    );
  }
}
