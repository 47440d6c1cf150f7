import { pageOf, pageQuerySchema, pageSchema, workerResource, workerResourceSchema } from '@maestro/protocol';
import { z } from 'zod';
import type { HttpApp } from '../httpApp.ts';
import type { HttpDeps } from '../httpDeps.ts';
import { PROBLEMS } from '../problemResponses.ts';

const workerParamsSchema = z.strictObject({ name: z.string().min(1).max(100) });

/** Adds the worker routes: list, drain. */
export function addWorkerRoutes(app: HttpApp, { coordinator }: HttpDeps): void {
  const tags = ['workers'];
  app.get(
    '/api/v1/workers',
    {
      schema: {
        operationId: 'listWorkers',
        summary: 'Lists the connected workers by name.',
        tags,
        querystring: pageQuerySchema,
        response: { 200: pageSchema(workerResourceSchema), ...PROBLEMS },
      },
    },
    (request) => {
      const workers = coordinator.workers().map(workerResource);
      const { items, ...rest } = pageOf(workers, request.query, ({ name }) => name, 'ascending');
      return { items: [...items], ...rest };
    },
  );

  app.post(
    '/api/v1/workers/:name/drain',
    {
      config: { role: 'admin' },
      schema: {
        operationId: 'drainWorker',
        summary: 'Removes a worker from its job at a step boundary; it gets no other job until it is restarted.',
        tags,
        params: workerParamsSchema,
        response: { 200: workerResourceSchema, ...PROBLEMS },
      },
    },
    (request) => workerResource(coordinator.drainWorker(request.params.name)),
  );
}
