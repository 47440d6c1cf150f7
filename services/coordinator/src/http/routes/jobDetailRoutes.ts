import { Readable } from 'node:stream';
import { checkpointRoot, tarCheckpoint } from '@maestro/checkpoint';
import {
  auditResource,
  auditResourceSchema,
  checkpointResourceSchema,
  jobFileJsonSchema,
  jobParamsSchema,
  numberKey,
  pageOf,
  pageQuerySchema,
  pageSchema,
  recipeInfos,
  recipeResource,
  recipeResourceSchema,
  stepParamSchema,
  type ViewResource,
  viewResourceSchema,
} from '@maestro/protocol';
import { z } from 'zod';
import { findJobCheckpoint, listJobCheckpoints } from '../../jobs/jobCheckpoints.ts';
import type { JobRun } from '../../run/state/runState.ts';
import type { HttpApp } from '../httpApp.ts';
import type { HttpDeps } from '../httpDeps.ts';
import { limitWork } from '../limitedWork.ts';
import { PROBLEMS } from '../problemResponses.ts';

/** Adds the routes of a job's parts: checkpoints, audit, views; and the schema of the job file. */
export function addJobDetailRoutes(app: HttpApp, { coordinator, dataDir }: HttpDeps): void {
  const schemaOfJobFile = jobFileJsonSchema();
  const tags = ['jobs'];
  const config = { role: 'read' } as const;
  const rootOf = (jobId: string) => checkpointRoot({ dataDir, jobId, location: coordinator.spec(jobId).checkpoint.location });
  const audits = limitWork({ what: 'audit', atOnce: 2, waiting: 16 });

  app.get(
    '/api/v1/jobs/:id/checkpoints',
    {
      config,
      schema: {
        operationId: 'listCheckpoints',
        summary: "Lists the job's stored checkpoints, newest first.",
        tags,
        params: jobParamsSchema,
        querystring: pageQuerySchema,
        response: { 200: pageSchema(checkpointResourceSchema), ...PROBLEMS },
      },
    },
    async (request) => {
      const { id } = coordinator.get(request.params.id);
      const { items, ...rest } = await listJobCheckpoints({ root: rootOf(id), job: id }, request.query);
      return { items: [...items], ...rest };
    },
  );

  app.get(
    '/api/v1/jobs/:id/checkpoints/:step/download',
    {
      config,
      schema: {
        operationId: 'downloadCheckpoint',
        summary: 'Downloads a checkpoint as a tar archive.',
        tags,
        params: jobParamsSchema.extend({ step: stepParamSchema }),
        response: {
          200: { description: 'The archive', content: { 'application/x-tar': { schema: z.unknown() } } },
          ...PROBLEMS,
        },
      },
    },
    async (request, reply) => {
      const { id } = coordinator.get(request.params.id);
      const { step } = request.params;
      const tar = await tarCheckpoint(await findJobCheckpoint(rootOf(id), step));
      reply.raw.once('close', () => void tar.close());
      return reply
        .type('application/x-tar')
        .header('content-length', tar.sizeBytes)
        .header('content-disposition', `attachment; filename="${id}-step-${step}.tar"`)
        .send(Readable.from(tar.bytes));
    },
  );

  app.get(
    '/api/v1/jobs/:id/audit',
    {
      config,
      schema: {
        operationId: 'auditJob',
        summary: "Checks that every sample of the job's committed steps was consumed exactly once, and by which worker.",
        tags,
        params: jobParamsSchema,
        response: { 200: auditResourceSchema, ...PROBLEMS },
      },
    },
    async ({ params: { id } }) => auditResource(await audits(id, () => coordinator.audit(id))),
  );

  app.get(
    '/api/v1/jobs/:id/views',
    {
      config,
      schema: {
        operationId: 'listViews',
        summary: "Lists the job's views (members from which step on), newest first; bounded.",
        tags,
        params: jobParamsSchema,
        querystring: pageQuerySchema,
        response: { 200: pageSchema(viewResourceSchema), ...PROBLEMS },
      },
    },
    ({ params: { id }, query }) => {
      const views = coordinator.run(id).pastViews.toReversed();
      const { items, ...rest } = pageOf(views, query, ({ generation }) => numberKey(generation), 'descending');
      return { items: items.map(viewResource), ...rest };
    },
  );

  app.get(
    '/api/v1/schema/job',
    {
      config,
      schema: {
        operationId: 'getJobSchema',
        summary: 'Returns the JSON Schema of the job file.',
        tags,
        response: { 200: z.record(z.string(), z.unknown()), ...PROBLEMS },
      },
    },
    () => schemaOfJobFile,
  );

  app.get(
    '/api/v1/recipes',
    {
      config,
      schema: {
        operationId: 'listRecipes',
        summary: 'What a job can be for.',
        tags,
        response: { 200: z.object({ items: z.array(recipeResourceSchema) }), ...PROBLEMS },
      },
    },
    () => ({ items: recipeInfos().map(recipeResource) }),
  );
}

function viewResource({ generation, startStep = 0, timeMs = 0, reason = '', members }: JobRun['pastViews'][number]): ViewResource {
  const formedAt = new Date(timeMs).toISOString();
  return {
    generation,
    startStep,
    formedAt,
    timeMs,
    reason,
    members: members.map(({ name, id, firstRank, ranks }) => ({ name, id, firstRank, ranks })),
  };
}
