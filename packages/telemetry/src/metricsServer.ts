import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { errorMessage, listenError } from '@maestro/protocol';
import { EXPOSITION_TYPE } from './exposition.ts';

/** A server of the few pages that machines look at. */
export interface MetricsServer {
  /** host:port, with the port that was picked when 0 was asked for. */
  readonly address: string;
  close(): Promise<void>;
}

/** What a process shows of itself. */
export interface MetricsPages {
  /** The page for Prometheus. */
  readonly read: () => Promise<string>;
  /** Why it cannot take work now; undefined when it can. */
  readonly notReady: () => string | undefined;
}

const PATHS = '/metrics, /healthz and /readyz';

/**
 * Serves, at `listen` (host:port), a process that serves no other HTTP: its metrics (`GET /metrics`), whether it lives (`/healthz`), and
 * whether it can take work (`/readyz`, 503 with the reason when it cannot).
 *
 * @throws MaestroError `unavailable` when the address cannot be listened on.
 */
export async function serveMetrics(listen: string, { read, notReady }: MetricsPages): Promise<MetricsServer> {
  const server = createServer((request, response) => {
    const path = request.method === 'GET' || request.method === 'HEAD' ? request.url?.split('?')[0] : undefined;
    if (path === '/healthz') say(response, 200, 'ok');
    else if (path === '/readyz') {
      const reason = notReady();
      say(response, reason === undefined ? 200 : 503, reason ?? 'ok');
    } else if (path === '/metrics') {
      read().then(
        (text) => response.writeHead(200, { 'content-type': EXPOSITION_TYPE }).end(text),
        (error: unknown) => say(response, 500, errorMessage(error)),
      );
    } else say(response, 404, `GET ${PATHS} are all there is`);
  });
  const at = listen.lastIndexOf(':');
  const host = listen.slice(0, at).replace(/^\[|\]$/g, '');
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(listenError(listen, error, { what: 'metrics', variable: 'MAESTRO_METRICS_LISTEN' })));
    server.listen({ host, port: Number(listen.slice(at + 1)) }, resolve);
  });
  return {
    address: `${listen.slice(0, at)}:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function say(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'text/plain' }).end(`${text}\n`);
}
