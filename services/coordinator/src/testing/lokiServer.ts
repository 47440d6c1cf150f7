import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fastifyWebsocket from '@fastify/websocket';
import { type LogArchive, type LogSink, openLogArchive, openLogSink } from '@maestro/logs';
import { createLogger } from '@maestro/telemetry';
import Fastify from 'fastify';
import type { HttpApp } from '../http/httpApp.ts';
import type { HttpDeps } from '../http/httpDeps.ts';
import { addLokiRoutes } from '../http/loki/lokiRoutes.ts';
import { startRedisProcess } from './redisProcess.ts';

/** Serves the Loki-compatible routes on their own port, over their own archive. */
export interface LokiServer {
  readonly archive: LogArchive;
  readonly sink: LogSink;
  /** `://host:port`, for http and ws. */
  readonly origin: string;
  ask(path: string, params?: Readonly<Record<string, string | number>>): Promise<Response>;
  push(body: unknown): Promise<Response>;
  /** Resolves when all lines so far are archived. */
  settle(): Promise<void>;
  close(): Promise<void>;
}

/** Starts it, with its own Redis. */
export async function startLokiServer(): Promise<LokiServer> {
  const dir = await mkdtemp(join(tmpdir(), 'maestro-loki-'));
  const redis = await startRedisProcess(join(dir, 'redis'));
  const connection = await redis.connect();
  const log = createLogger({ role: 'test', level: 'silent' });
  const archive = await openLogArchive({ dataDir: join(dir, 'data'), redis: connection, log });
  const sink = openLogSink({ redisUrl: redis.url, name: 'worker-a' });
  const app = Fastify() as unknown as HttpApp;
  await app.register(fastifyWebsocket);
  addLokiRoutes(app, { logs: { archive }, logSink: sink } as unknown as HttpDeps);
  const origin = (await app.listen({ port: 0, host: '127.0.0.1' })).replace('http', '');
  return {
    archive,
    sink,
    origin,
    ask(path, params = {}) {
      const query = new URLSearchParams(Object.fromEntries(Object.entries(params).map(([name, value]) => [name, String(value)])));
      return fetch(`http${origin}${path}?${query}`);
    },
    push: (body) =>
      fetch(`http${origin}/loki/api/v1/push`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      }),
    async settle() {
      await sink.flush();
      if (!(await archive.caughtUp(5000))) throw new Error('the lines are not archived after 5 s');
    },
    async close() {
      await app.close();
      await sink.close();
      await archive.close();
      await redis.stop();
      await rm(dir, { recursive: true });
    },
  };
}
