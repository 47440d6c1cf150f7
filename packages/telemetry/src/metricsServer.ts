import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { errorMessage, MaestroError } from '@maestro/protocol';
import { EXPOSITION_TYPE } from './exposition.ts';

/** A server of one page. */
export interface MetricsServer {
  /** host:port, with the port that was picked when 0 was asked for. */
  readonly address: string;
  close(): Promise<void>;
}

/**
 * Serves `GET /metrics` at `listen` (host:port), for processes that serve no other HTTP.
 * @throws MaestroError `unavailable` when the address cannot be listened on.
 */
export async function serveMetrics(listen: string, read: () => Promise<string>): Promise<MetricsServer> {
  const server = createServer((request, response) => {
    const isAsked = (request.method === 'GET' || request.method === 'HEAD') && request.url?.split('?')[0] === '/metrics';
    if (!isAsked) {
      response.writeHead(404, { 'content-type': 'text/plain' }).end('GET /metrics is all there is\n');
      return;
    }
    read().then(
      (text) => response.writeHead(200, { 'content-type': EXPOSITION_TYPE }).end(text),
      (error: unknown) => response.writeHead(500, { 'content-type': 'text/plain' }).end(`${errorMessage(error)}\n`),
    );
  });
  const at = listen.lastIndexOf(':');
  const host = listen.slice(0, at).replace(/^\[|\]$/g, '');
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) =>
      reject(new MaestroError('unavailable', `cannot listen at ${listen} for metrics: ${error.message}`, { cause: error })),
    );
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
