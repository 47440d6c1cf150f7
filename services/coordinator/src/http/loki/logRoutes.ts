import { Readable } from 'node:stream';
import { cursorOf, histogramOf, type LineCriteria, type LogLine, lineFilter, withCursor } from '@maestro/logs';
import {
  jobParamsSchema,
  type LogFilter,
  logCursorSchema,
  logHistogramQuerySchema,
  logHistogramSchema,
  logLineSchema,
  logQuerySchema,
  MaestroError,
} from '@maestro/protocol';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { eventSchema, openEventStream } from '../eventStream.ts';
import type { HttpApp } from '../httpApp.ts';
import type { HttpDeps } from '../httpDeps.ts';
import { PROBLEMS } from '../problemResponses.ts';

const DEFAULT_LINES = 1000;
/** Deadline of a search, which scans all of a job's lines. */
const SEARCH_TIMEOUT_MS = 20_000;

const headersSchema = z.object({
  accept: z.string().max(1000).optional(),
  'last-event-id': logCursorSchema.optional().describe('cursor of the last line that the client has seen'),
});

const eventsSchema = z.union([
  eventSchema('line', { id: z.string().describe('the cursor'), data: 'LogLine' }),
  z.object({ event: z.literal('end'), data: z.string().describe("JSON with the job's state") }),
]);

/** Adds the routes of a job's log: lines, as NDJSON or server-sent events, and a histogram of them. */
export function addLogRoutes(app: HttpApp, { coordinator, logs }: HttpDeps): void {
  app.get(
    '/api/v1/jobs/:id/logs',
    {
      config: { role: 'read' },
      schema: {
        operationId: 'jobLogs',
        summary: "Returns a job's log lines, oldest first.",
        description:
          'One JSON object a line (application/x-ndjson), or, where the client accepts text/event-stream, one event `line` a line ' +
          'and an event `end` ' +
          'when there are no more; its id is the cursor. With `follow` it goes on until the job is over and its last line was given. ' +
          'Each line has the ' +
          'cursor to continue after it, even across restarts.',
        tags: ['logs'],
        params: jobParamsSchema,
        querystring: logQuerySchema,
        headers: headersSchema,
        response: {
          200: {
            description: 'Lines',
            content: { 'application/x-ndjson': { schema: logLineSchema }, 'text/event-stream': { schema: eventsSchema } },
          },
          ...PROBLEMS,
        },
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      const { follow, tail, limit = follow === true ? undefined : DEFAULT_LINES } = request.query;
      const isEvents = request.headers.accept?.includes('text/event-stream') === true;
      const cursor = (isEvents ? request.headers['last-event-id'] : undefined) ?? request.query.cursor;
      const gone = goneSignal(reply);
      const pages = logs.tail(id, { ...criteriaOf(request.query), follow, tail, limit, cursor }, gone);
      if (!isEvents) {
        reply.type('application/x-ndjson; charset=utf-8').header('cache-control', 'no-store');
        // The schema describes a line; the response is sent as text.
        return reply.send(Readable.from(toText(pages, gone), { objectMode: false }) as never);
      }
      let wake: () => void = () => undefined;
      const stream = openEventStream(request, reply, () => wake());
      try {
        for await (const page of pages) {
          for (const line of page) {
            const takesMore = stream.send({ id: cursorOf(line), event: 'line', data: JSON.parse(withCursor(line)) });
            if (takesMore || stream.signal.aborted) continue;
            await new Promise<void>((resolve) => {
              wake = resolve;
              stream.signal.addEventListener('abort', () => resolve(), { once: true });
            });
          }
          if (stream.signal.aborted) break;
        }
        stream.send({ event: 'end', data: { state: coordinator.get(id).state } });
      } catch (error) {
        if (!stream.signal.aborted && !gone.aborted) request.log.debug({ error }, 'a log stream ended early');
      }
      stream.end();
      return reply;
    },
  );

  app.get(
    '/api/v1/jobs/:id/logs/histogram',
    {
      config: { role: 'read' },
      schema: {
        operationId: 'jobLogHistogram',
        summary: "Returns the number of a job's log lines over time, by level.",
        tags: ['logs'],
        params: jobParamsSchema,
        querystring: logHistogramQuerySchema,
        response: { 200: logHistogramSchema, ...PROBLEMS },
      },
    },
    async (request, reply) => {
      coordinator.get(request.params.id);
      const filter = lineFilter(criteriaOf(request.query));
      const log = await logs.archive.open(request.params.id);
      return { buckets: await histogramOf(log, { filter, buckets: request.query.buckets, signal: searchSignal(reply) }) };
    },
  );
}

/** Aborts when the client disconnected. */
function goneSignal(reply: FastifyReply): AbortSignal {
  const gone = new AbortController();
  reply.raw.once('close', () => gone.abort(new MaestroError('cancelled', 'the client disconnected')));
  return gone.signal;
}

/** Aborts when the client disconnected, or the search takes too long. */
export function searchSignal(reply: FastifyReply): AbortSignal {
  const late = new AbortController();
  const timer = setTimeout(() => {
    late.abort(
      new MaestroError('timeout', `the search took longer than ${SEARCH_TIMEOUT_MS / 1000} s; select a shorter time or fewer jobs`),
    );
  }, SEARCH_TIMEOUT_MS);
  reply.raw.once('close', () => clearTimeout(timer));
  return AbortSignal.any([late.signal, goneSignal(reply)]);
}

async function* toText(pages: AsyncGenerator<readonly LogLine[]>, gone: AbortSignal): AsyncGenerator<string> {
  try {
    for await (const page of pages) {
      if (page.length > 0) yield page.map((line) => `${withCursor(line)}\n`).join('');
    }
  } catch (error) {
    // The answer has begun: it is truncated, and the client continues from its last cursor.
    if (!gone.aborted) throw error;
  }
}

function criteriaOf({ worker, level, search, from, to }: LogFilter): LineCriteria {
  return {
    worker,
    level,
    search,
    fromMs: from === undefined ? undefined : Date.parse(from),
    toMs: to === undefined ? undefined : Date.parse(to),
  };
}
