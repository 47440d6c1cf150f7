import type { OutgoingHttpHeaders } from 'node:http';
import { MaestroError } from '@maestro/protocol';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';

/** Limits the open streams of a coordinator, over all clients. */
const MOST_STREAMS = 500;
/** Interval of comments that keep proxies from closing an idle stream. */
const KEEP_ALIVE_MS = 15_000;

/** One event of a stream of server-sent events. */
export interface ServerEvent {
  /** Sent back by a reconnecting client as Last-Event-ID. */
  readonly id?: string;
  readonly event?: string;
  /** Sent as JSON. */
  readonly data: unknown;
}

/** Builds the OpenAPI schema of events `event` whose data is JSON of the component `data`. */
export function eventSchema<Id extends z.ZodType>(event: string, { id, data }: { readonly id: Id; readonly data: string }) {
  const content = { contentMediaType: 'application/json', contentSchema: { $ref: `#/components/schemas/${data}` } };
  return z.object({ id, event: z.literal(event), data: z.string().meta(content) });
}

/** A response that continues until either side ends it. */
export interface EventStream {
  /** Aborts when the client disconnected or the stream was ended. */
  readonly signal: AbortSignal;
  /** Returns false when the client accepts no more for now; `onDrain` is called when it does again. */
  send(event: ServerEvent): boolean;
  end(): void;
}

let openStreams = 0;

/**
 * Answers a request with a stream of server-sent events (text/event-stream).
 * @throws MaestroError `rate-limited` when too many streams are open.
 */
export function openEventStream(request: FastifyRequest, reply: FastifyReply, onDrain: () => void = () => undefined): EventStream {
  if (openStreams >= MOST_STREAMS) throw new MaestroError('rate-limited', `${openStreams} event streams are already open; close some`);
  openStreams++;
  const closed = new AbortController();
  const headers = reply.getHeaders() as OutgoingHttpHeaders;
  reply.hijack();
  const { raw } = reply;
  raw.writeHead(200, {
    ...headers,
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
  });
  raw.flushHeaders();
  const keepAlive = setInterval(() => raw.write(': still here\n\n'), KEEP_ALIVE_MS);
  raw.on('drain', onDrain);
  raw.once('error', () => raw.destroy());
  raw.once('close', () => {
    openStreams--;
    clearInterval(keepAlive);
    closed.abort();
  });
  if (request.raw.destroyed) raw.destroy();
  return {
    signal: closed.signal,
    send: ({ id, event, data }) => {
      const lines = [
        ...(id === undefined ? [] : [`id: ${id}`]),
        ...(event === undefined ? [] : [`event: ${event}`]),
        `data: ${JSON.stringify(data)}`,
      ];
      return raw.write(`${lines.join('\n')}\n\n`);
    },
    end: () => raw.end(),
  };
}
