import { MaestroError, PROBLEM_TYPE, problemOf } from '@maestro/protocol';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { HttpApp } from '../httpApp.ts';
import type { HttpDeps } from '../httpDeps.ts';
import { searchSignal } from './logRoutes.ts';
import {
  detectedFields,
  detectedFieldValues,
  detectedLabels,
  indexStats,
  indexVolume,
  labelNames,
  labelValues,
  series,
} from './lokiIndex.ts';
import type { LokiParams } from './lokiParams.ts';
import { MOST_PUSH_BYTES, openPush, readPush } from './lokiPush.ts';
import { formattedQuery, queryInstant, queryRange } from './lokiQuery.ts';
import { serveTail, type TailSocket, tailQuery } from './lokiTail.ts';

/** Root path of Loki's API. */
const ROOT = '/loki/api/v1';

/**
 * Adds the part of Loki's HTTP API that Grafana's Loki data source and logcli use, so that the coordinator is a data source for them. It is
 * not in our OpenAPI document: the shapes are Loki's.
 */
export function addLokiRoutes(app: HttpApp, { logs: { archive }, logSink }: HttpDeps): void {
  const takePush = openPush(logSink);
  void app.register(async (scope) => {
    scope.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string', bodyLimit: 64 * 1024 }, (_, body, done) =>
      done(null, formParams(body as string)),
    );
    scope.removeContentTypeParser('application/json');
    scope.addContentTypeParser(
      'application/json',
      { parseAs: 'buffer', bodyLimit: MOST_PUSH_BYTES },
      (request: FastifyRequest, body: Buffer) => readPush(body, request.headers['content-encoding']),
    );
    // Grafana shows `message` of an answer, logcli all of it; the rest is the problem that each of our routes returns.
    scope.setErrorHandler((error, request, reply) => {
      if (!(error instanceof MaestroError)) throw error;
      const problem = problemOf(error, request.url.split('?', 1)[0]!);
      return reply
        .code(problem.status)
        .type(PROBLEM_TYPE)
        .serializer(String)
        .send(JSON.stringify({ ...problem, message: error.message }));
    });

    type Answer = (params: LokiParams, signal: AbortSignal, path: Readonly<Record<string, string>>) => Promise<object>;
    const read = (path: string, answer: Answer): void => {
      const handler = (request: FastifyRequest, reply: FastifyReply): Promise<object> => {
        const params = { ...(request.query as LokiParams), ...(request.body as LokiParams | undefined) };
        return answer(params, searchSignal(reply), request.params as Record<string, string>);
      };
      scope.route({ method: ['GET', 'POST'], url: `${ROOT}${path}`, config: { role: 'read' }, schema: { hide: true }, handler });
    };
    read('/query_range', (params, signal) => queryRange(archive, params, signal));
    read('/query', (params, signal) => queryInstant(archive, params, signal));
    read('/format_query', async (params) => formattedQuery(params));
    read('/labels', (params) => labelNames(archive, params));
    read('/label', (params) => labelNames(archive, params));
    read('/label/:name/values', (params, _, { name }) => labelValues(archive, name!, params));
    read('/series', (params) => series(archive, params));
    read('/index/stats', (params) => indexStats(archive, params));
    read('/index/volume', (params) => indexVolume(archive, params));
    read('/detected_labels', (params) => detectedLabels(archive, params));
    read('/detected_fields', (params, signal) => detectedFields(archive, params, signal));
    read('/detected_field/:name/values', (params, signal, { name }) => detectedFieldValues(archive, name!, params, signal));
    read('/status/buildinfo', async () => BUILD_INFO);

    scope.get('/ready', { config: { role: 'public' }, schema: { hide: true } }, async (_, reply) =>
      reply.type('text/plain').send('ready\n'),
    );
    scope.post(`${ROOT}/push`, { config: { role: 'submit' }, schema: { hide: true } }, async (request, reply) => {
      await takePush(request.body);
      return reply.code(204).send();
    });
    scope.get(
      `${ROOT}/tail`,
      {
        websocket: true,
        config: { role: 'read' },
        schema: { hide: true },
        // An error is answered before the connection becomes a websocket, so that clients can show it.
        preValidation: async (request) => void tailQuery(request.query as LokiParams),
      },
      (socket: TailSocket, request: FastifyRequest) => void serveTail(archive, socket, request.query as LokiParams),
    );
  });
}

/** The version of Loki whose API this is: clients check for the features they need. */
const BUILD_INFO = { version: '3.0.0', revision: 'maestro', branch: 'maestro', buildUser: 'maestro', buildDate: '', goVersion: '' };

function formParams(body: string): LokiParams {
  const params: Record<string, string | string[]> = Object.create(null);
  for (const [name, value] of new URLSearchParams(body)) {
    const before = params[name];
    params[name] = before === undefined ? value : [before, value].flat();
  }
  return params;
}
