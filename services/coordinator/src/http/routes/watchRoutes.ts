import { isTerminal, type Job, jobParamsSchema, jobResource } from '@maestro/protocol';
import { z } from 'zod';
import { newestOf } from '../../run/state/newestOf.ts';
import { eventSchema, openEventStream } from '../eventStream.ts';
import type { HttpApp } from '../httpApp.ts';
import type { HttpDeps } from '../httpDeps.ts';
import { PROBLEMS } from '../problemResponses.ts';

const headersSchema = z.object({
  'last-event-id': z.string().max(100).optional().describe('resourceVersion that the client already has; it is not sent again'),
});

const jobEventSchema = eventSchema('job', { id: z.string().describe('the resourceVersion'), data: 'Job' });

/** Adds the route that streams a job, now and at each change, as server-sent events. */
export function addWatchRoutes(app: HttpApp, { coordinator }: HttpDeps): void {
  app.get(
    '/api/v1/jobs/:id/watch',
    {
      config: { role: 'read' },
      schema: {
        operationId: 'watchJob',
        summary: 'Streams the job now and at each change, until it ends.',
        description:
          'Server-sent events `job` whose id is the resourceVersion. A client that reconnects with Last-Event-ID gets only what ' +
          'it has not seen; ' +
          'for a slow client, intermediate states are skipped, but never the last one. 204 if the job has ended and the client has ' +
          'seen its end.',
        tags: ['jobs'],
        params: jobParamsSchema,
        headers: headersSchema,
        response: {
          200: { description: 'events whose data is the job', content: { 'text/event-stream': { schema: jobEventSchema } } },
          204: z.undefined().describe('the job has ended, and the client has seen its end'),
          ...PROBLEMS,
        },
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      const seen = request.headers['last-event-id'];
      const job = coordinator.get(id);
      if (job.resourceVersion === seen && isTerminal(job.state)) return reply.code(204).send();
      const stream = openEventStream(request, reply, () => newest.drained());
      const newest = newestOf<Job>((next) => {
        if (next.resourceVersion === seen) return true;
        const takesMore = stream.send({ id: next.resourceVersion, event: 'job', data: jobResource(next, coordinator.spec(id)) });
        if (isTerminal(next.state)) stream.end();
        return takesMore;
      });
      const unwatch = coordinator.watch(id, newest.offer);
      stream.signal.addEventListener('abort', unwatch, { once: true });
      if (stream.signal.aborted) unwatch();
      return reply;
    },
  );
}
