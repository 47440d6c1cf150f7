import fastifySwagger from '@fastify/swagger';
import fastifyWebsocket from '@fastify/websocket';
import {
  describeIssues,
  isMaestroError,
  jobFileSchema,
  listenError,
  MaestroError,
  PROBLEM_TYPE,
  parseJobSpec,
  problemOf,
  requireShallow,
  splitAddress,
} from '@maestro/protocol';
import Fastify, { type FastifyError, type FastifyReply, type FastifyRequest } from 'fastify';
import { jsonSchemaTransform, jsonSchemaTransformObject, serializerCompiler, type ZodTypeProvider } from 'fastify-type-provider-zod';
import type { z } from 'zod';
import type { ListeningServer } from '../grpc/serve.ts';
import { guardHttp, SECURITY_SCHEMES } from '../security/guardHttp.ts';
import type { HttpApp } from './httpApp.ts';
import type { HttpDeps } from './httpDeps.ts';
import { addLogRoutes } from './loki/logRoutes.ts';
import { addLokiRoutes } from './loki/lokiRoutes.ts';
import { addDashboardRoutes, sendDashboard } from './routes/dashboardRoutes.ts';
import { addDataRoutes } from './routes/dataRoutes.ts';
import { addDocsRoutes } from './routes/docsRoutes.ts';
import { addHealthRoutes } from './routes/healthRoutes.ts';
import { addJobDetailRoutes } from './routes/jobDetailRoutes.ts';
import { addJobRoutes } from './routes/jobRoutes.ts';
import { addMetricRoutes } from './routes/metricRoutes.ts';
import { addReconstructionRoutes } from './routes/reconstructionRoutes.ts';
import './routeRole.ts';
import { withPlainTuples } from './openapi/plainTuples.ts';
import { refuseBroken } from './refuseBroken.ts';
import { refuseOtherMethods } from './refuseOtherMethods.ts';
import { addSessionRoutes } from './routes/sessionRoutes.ts';
import { addWatchRoutes } from './routes/watchRoutes.ts';
import { addWorkerRoutes } from './routes/workerRoutes.ts';

/** Limits the bytes of a request's body: a job file has a few hundred. */
const MOST_BODY_BYTES = 256 * 1024;
/** Limits the bytes of a client's websocket message: none is expected. */
const MOST_SOCKET_BYTES = 4096;
/** Limits the bytes of a request's address and headers: a path of 4096 characters may take twelve times as many, encoded. */
const MOST_HEAD_BYTES = 64 * 1024;
/** Deadline for a client to send a whole request. */
const REQUEST_TIMEOUT_MS = 15_000;

/** Creates the HTTP server with all routes; it does not listen yet. */
async function createHttpServer(deps: HttpDeps): Promise<HttpApp> {
  const head = { maxHeaderSize: MOST_HEAD_BYTES };
  const app: HttpApp = Fastify({
    bodyLimit: MOST_BODY_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: 1000, querystringParser: parseQuery },
    exposeHeadRoutes: false,
    ...(deps.tls === undefined ? { http: head } : { https: { cert: deps.tls.cert, key: deps.tls.key, ...head } }),
    clientErrorHandler: refuseBroken,
    // Errors of the router itself: a path that is not UTF-8, or too long a parameter.
    frameworkErrors: (error, request, reply) => void sendProblem(deps, error, request, reply),
  }).withTypeProvider<ZodTypeProvider>();
  guardHttp(app, deps.access);
  const refuseOthers = refuseOtherMethods(app);
  app.setValidatorCompiler(
    ({ schema, httpPart }) =>
      (data) =>
        validate(schema as unknown as z.ZodType, data, httpPart ?? 'request'),
  );
  // Resolves a job reference, so that routes get the job's id.
  app.addHook('preHandler', async ({ params, routeOptions }) => {
    if (routeOptions.url?.startsWith('/api/v1/jobs/:id') !== true) return;
    const named = params as { id: string };
    named.id = await deps.coordinator.locate(named.id);
  });
  app.setSerializerCompiler(serializerCompiler);
  const parseJson = app.getDefaultJsonParser('error', 'error');
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    try {
      requireShallow(String(body), 'body');
      parseJson(request, String(body), done);
    } catch (error) {
      done(error as Error);
    }
  });
  app.setErrorHandler((error, request, reply) => sendProblem(deps, error as FastifyError, request, reply));
  app.setNotFoundHandler((request, reply) => {
    // A browser that follows a wrong link gets a page with the way back.
    if (request.method === 'GET' && request.headers.accept?.includes('text/html') === true) return sendDashboard(reply.code(404));
    throw new MaestroError('not-found', `${request.method} ${pathOf(request)}: no such route; /docs lists all`);
  });
  await app.register(fastifySwagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'maestro', version: 'v1', description: 'Submits training jobs and watches them.' },
      ...(deps.access.isOpen ? {} : { components: { securitySchemes: SECURITY_SCHEMES } }),
    },
    transform: (route) => {
      const { schema, url } = jsonSchemaTransform(route);
      const isPublic = deps.access.isOpen || route.route.config?.role === 'public';
      return { url, schema: isPublic ? schema : { ...schema, security: Object.keys(SECURITY_SCHEMES).map((name) => ({ [name]: [] })) } };
    },
    transformObject: (document) => withPlainTuples(jsonSchemaTransformObject(document)),
  });
  await app.register(fastifyWebsocket, { options: { maxPayload: MOST_SOCKET_BYTES } });
  addDocsRoutes(app);
  addHealthRoutes(app, deps);
  addSessionRoutes(app, deps);
  addJobRoutes(app, deps);
  addJobDetailRoutes(app, deps);
  addWatchRoutes(app, deps);
  addWorkerRoutes(app, deps);
  addDataRoutes(app, deps);
  addMetricRoutes(app, deps);
  addReconstructionRoutes(app, deps);
  addLogRoutes(app, deps);
  addLokiRoutes(app, deps);
  addDashboardRoutes(app);
  refuseOthers();
  await app.ready();
  return app;
}

/**
 * Serves HTTP at `listen` (host:port).
 * @throws MaestroError `unavailable` when the address cannot be listened on.
 */
export async function serveHttp(deps: HttpDeps, listen: string): Promise<ListeningServer> {
  const app = await createHttpServer(deps);
  const { host, port } = splitAddress(listen, 'MAESTRO_HTTP_LISTEN');
  try {
    await app.listen({ host, port });
  } catch (error) {
    throw listenError(listen, error, { what: 'HTTP', variable: 'MAESTRO_HTTP_LISTEN (`maestro up --http-port`)' });
  }
  const bound = app.server.address();
  return {
    address: typeof bound === 'object' && bound !== null ? `${listen.slice(0, listen.lastIndexOf(':'))}:${bound.port}` : listen,
    close: () => app.close(),
  };
}

/** Parses a query. A repeated key becomes an array, which no schema accepts; keys such as `__proto__` are plain keys. */
function parseQuery(text: string): Record<string, string | string[]> {
  const query: Record<string, string | string[]> = Object.create(null);
  for (const [key, value] of new URLSearchParams(text)) {
    const before = query[key];
    query[key] = before === undefined ? value : [before, value].flat();
  }
  return { ...query };
}

function validate(schema: z.ZodType, data: unknown, part: string): { value: unknown } | { error: Error } {
  if (schema === jobFileSchema) return validateJobFile(data);
  // An optional body may be missing.
  const result = schema.safeParse(data ?? undefined);
  if (result.success) return { value: result.data };
  const issues = describeIssues(result.error, schema, data);
  const what = part === 'querystring' ? 'query' : part === 'params' ? 'path' : part;
  return { error: new MaestroError('invalid-argument', `${what}: ${issues.join('; ')}`, { details: { issues } }) };
}

/** Recipes may be of other people: what their checks throw is an answer too. */
function validateJobFile(data: unknown): { value: unknown } | { error: Error } {
  try {
    return { value: parseJobSpec(data) };
  } catch (error) {
    return { error: error as Error };
  }
}

function pathOf(request: FastifyRequest): string {
  return request.url.split('?', 1)[0]!;
}

async function sendProblem(deps: HttpDeps, error: FastifyError, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const known = toMaestroError(error);
  const retryAfter = isMaestroError(known) ? known.details['retryAfterSeconds'] : undefined;
  if (typeof retryAfter === 'number') reply.header('retry-after', retryAfter);
  const problem = problemOf(known, pathOf(request));
  if (problem.code === 'unauthenticated') {
    reply.header('www-authenticate', 'Bearer realm="maestro"');
    deps.log.warn({ from: request.ip, code: problem.code, method: request.method, path: pathOf(request) }, 'request without a valid token');
  }
  if (problem.status >= 500) deps.log.error({ error, method: request.method, path: pathOf(request) }, 'request failed');
  const body = JSON.stringify(problem);
  return reply.code(problem.status).type(PROBLEM_TYPE).serializer(String).send(body);
}

/** Maps Fastify's own refusals to our codes. */
function toMaestroError(error: FastifyError): Error {
  const status = error.statusCode ?? 500;
  if (isMaestroError(error) || status >= 500) return error;
  const code = status === 413 ? 'too-large' : status === 429 ? 'rate-limited' : status === 404 ? 'not-found' : 'invalid-argument';
  return new MaestroError(code, error.message, { cause: error });
}
