import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { errorMessage, listenError } from '@maestro/protocol';
import { EXPOSITION_TYPE } from './exposition.ts';

/** A server of the few pages that machines read. */
export interface MetricsServer {
  /** host:port, with the actual port when 0 was requested. */
  readonly address: string;
  close(): Promise<void>;
}

/** Pages that a process serves about itself. */
export interface MetricsPages {
  /** Returns the page for Prometheus. */
  readonly read: () => Promise<string>;
  /** Returns the reason why it cannot accept work now; undefined when it can. */
  readonly notReady: () => string | undefined;
}

const PATHS = '/metrics, /healthz and /readyz';

/**
 * Serves, at `listen` (host:port), the metrics of a process without other HTTP (`GET /metrics`), its liveness (`/healthz`), and its
 * readiness (`/readyz`, 503 with the reason when it cannot accept work).
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
