// Asks this container's own service whether it is ready, for HEALTHCHECK: exit code 0 when it is. What it answers is what `docker inspect`
// shows.
//
// The coordinator answers at MAESTRO_HTTP_LISTEN (over TLS when it has a certificate), a worker at MAESTRO_METRICS_LISTEN.

import { request as askHttp } from 'node:http';
import { request as askHttps } from 'node:https';

/** Below the health check's own limit, so that it is this that says what was waited for. */
const TIMEOUT_MS = 4000;

const { MAESTRO_HTTP_LISTEN, MAESTRO_METRICS_LISTEN, MAESTRO_TLS_CERT } = process.env;
// A variable that is empty is not set.
const isCoordinator = Boolean(MAESTRO_HTTP_LISTEN);
const listen = MAESTRO_HTTP_LISTEN || MAESTRO_METRICS_LISTEN || '127.0.0.1:7072';
const host = listen.slice(0, listen.lastIndexOf(':')).replace(/^\[|\]$/g, '');
const options = {
  // What listens everywhere answers here as well.
  host: host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host,
  port: listen.slice(listen.lastIndexOf(':') + 1),
  path: '/readyz',
  signal: AbortSignal.timeout(TIMEOUT_MS),
};
// Its own certificate, on its own address: the name in it is that by which others reach it.
const isTls = isCoordinator && MAESTRO_TLS_CERT;
const request = isTls ? askHttps({ ...options, rejectUnauthorized: false }) : askHttp(options);
request.on('response', (response) => {
  response.setEncoding('utf8').on('data', (text) => process.stdout.write(text));
  process.exitCode = response.statusCode === 200 ? 0 : 1;
});
request.on('error', (error) => {
  process.stdout.write(`${options.host}:${options.port} does not answer: ${error.message}\n`);
  process.exitCode = 1;
});
request.end();
