import {
  COMMON_SERIES,
  exportQuerySchema,
  jobParamsSchema,
  MaestroError,
  recipeOf,
  STEP_PHASES,
  seriesListSchema,
  stepParamSchema,
  timelineSchema,
} from '@maestro/protocol';
import { EXPOSITION_TYPE } from '@maestro/telemetry';
import { z } from 'zod';
import { EXPORT_FORMATS, exportRows } from '../../metrics/exports.ts';
import { type Series, seriesOf, seriesPoints } from '../../metrics/series.ts';
import { findStraggler } from '../../metrics/timeline.ts';
import type { HttpApp } from '../httpApp.ts';
import type { HttpDeps } from '../httpDeps.ts';
import { PROBLEMS } from '../problemResponses.ts';

const MOST_POINTS = 5000;
const MOST_TIMELINE_STEPS = 256;

const seriesQuerySchema = z.strictObject({
  series: z
    .string()
    .max(2000)
    .regex(/^[A-Za-z0-9]+(?:,[A-Za-z0-9]+)*$/, 'expected names with commas between them')
    .optional()
    .describe(`names with commas between them, of the series of the job's recipe and of ${COMMON_SERIES.join(', ')}; all when left out`),
  from: stepParamSchema.default(0).describe('first step'),
  points: z.coerce.number().int().min(2).max(MOST_POINTS).default(500).describe('maximum number of points per series'),
});
const timelineQuerySchema = z.strictObject({
  steps: z.coerce.number().int().min(1).max(MOST_TIMELINE_STEPS).default(32).describe('number of latest steps to include'),
});

/** The bytes of a file; Fastify sends them unchanged. */
const file = { schema: z.string() };
const EXPORTED = {
  description: 'The file.',
  content: Object.fromEntries(Object.values(EXPORT_FORMATS).map(({ contentType }) => [contentType.split(';')[0]!, file])),
};

/** Adds the metric routes: the page for Prometheus, and a job's curves, timeline and exports. */
export function addMetricRoutes(app: HttpApp, { coordinator, observer }: HttpDeps): void {
  const tags = ['metrics'];

  app.get('/metrics', { schema: { hide: true } }, async (_, reply) => {
    const { list, workers, unwrittenSteps, spec } = coordinator;
    const page = await observer.page({ jobs: list(), workers: workers(), unwrittenSteps, spec });
    return reply.type(EXPOSITION_TYPE).serializer(String).send(page);
  });

  app.get(
    '/api/v1/jobs/:id/metrics',
    {
      schema: {
        operationId: 'getJobMetrics',
        summary: "Returns a job's curves, downsampled so that spikes stay visible.",
        tags,
        params: jobParamsSchema,
        querystring: seriesQuerySchema,
        response: { 200: seriesListSchema, ...PROBLEMS },
      },
    },
    async (request) => {
      const { id } = coordinator.get(request.params.id);
      const { series, from, points } = request.query;
      const wanted = wantedSeries(seriesOf(recipeOf(coordinator.spec(id))), series?.split(','));
      const rows = (await observer.history(id)).filter(({ step }) => step >= from);
      return {
        series: wanted.map((each) => ({
          name: each.name,
          unit: each.unit,
          points: seriesPoints(rows, each, points).map(([...point]) => point),
        })),
      };
    },
  );

  app.get(
    '/api/v1/jobs/:id/timeline',
    {
      schema: {
        operationId: 'getJobTimeline',
        summary: "Returns how a job's latest steps spent their time, by worker and phase, and the straggler.",
        tags,
        params: jobParamsSchema,
        querystring: timelineQuerySchema,
        response: { 200: timelineSchema, ...PROBLEMS },
      },
    },
    (request) => {
      const { id } = coordinator.get(request.params.id);
      const workers = observer.timeline(id, request.query.steps);
      const straggler = findStraggler(workers);
      return {
        phases: [...STEP_PHASES],
        workers: workers.map(({ name, steps }) => ({
          name,
          steps: steps.map(({ step, startMs, lag, ...durations }) => ({ step, startMs, durations, lag })),
        })),
        ...(straggler !== undefined && { straggler }),
      };
    },
  );

  app.get(
    '/api/v1/jobs/:id/metrics/export',
    {
      schema: {
        operationId: 'exportJobMetrics',
        summary: 'Exports all stored step metrics of a job as CSV, JSON lines or a TensorBoard event file.',
        tags,
        params: jobParamsSchema,
        querystring: exportQuerySchema,
        response: { 200: EXPORTED, ...PROBLEMS },
      },
    },
    async (request, reply) => {
      const job = coordinator.get(request.params.id);
      const { format } = request.query;
      const { contentType, fileName } = EXPORT_FORMATS[format];
      const recipe = recipeOf(coordinator.spec(job.id));
      const body = exportRows(format, await observer.history(job.id), { recipe, startMs: Date.parse(job.createdAt) });
      return reply
        .type(contentType)
        .header('content-disposition', `attachment; filename="${job.id}.${fileName}"`)
        .send(body as unknown as string);
    },
  );
}

/** Returns the series with these names; all when none are given. @throws MaestroError `not-found` naming the existing ones. */
function wantedSeries(all: readonly Series[], names: readonly string[] | undefined): readonly Series[] {
  return (
    names?.map((name) => {
      const found = all.find((each) => each.name === name);
      if (found !== undefined) return found;
      const known = all.map((each) => each.name).join(', ');
      throw new MaestroError('not-found', `series: the job has no series ${name}, expected some of ${known}, with commas between them`);
    }) ?? all
  );
}
