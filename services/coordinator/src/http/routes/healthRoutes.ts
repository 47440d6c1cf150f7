import { z } from 'zod';
import type { HttpApp } from '../httpApp.ts';
import type { HttpDeps } from '../httpDeps.ts';
import { PROBLEMS } from '../problemResponses.ts';

const statusSchema = z.object({ status: z.literal('ok'), incarnation: z.int() });

/** Adds liveness (`/healthz`) and readiness (`/readyz`: Redis answers). */
export function addHealthRoutes(app: HttpApp, { coordinator, redis }: HttpDeps): void {
  const ok = () => ({ status: 'ok', incarnation: coordinator.incarnation }) as const;
  app.get(
    '/healthz',
    { config: { role: 'public' }, schema: { operationId: 'healthz', tags: ['health'], response: { 200: statusSchema } } },
    ok,
  );
  app.get(
    '/readyz',
    { config: { role: 'public' }, schema: { operationId: 'readyz', tags: ['health'], response: { 200: statusSchema, ...PROBLEMS } } },
    async () => {
      await redis.call('answer /readyz', () => redis.client.ping());
      return ok();
    },
  );
}
