import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fastifyStatic from '@fastify/static';
import type { FastifyReply } from 'fastify';
import '../routeRole.ts';
import type { HttpApp } from '../httpApp.ts';

/** The dashboard's files as served: plain modules, so that there is nothing to build. */
const DASHBOARD = fileURLToPath(new URL('../../../dashboard/', import.meta.url));

const PAGE = readFileSync(join(DASHBOARD, 'index.html'));

/** Addresses that the dashboard renders itself. */
const PAGES = ['/', '/jobs/:id', '/jobs/:id/:tab', '/workers', '/submit', '/login'] as const;

/** Serves the dashboard: its pages, and its files and libraries under /assets. Nothing is fetched from any other host. */
export function addDashboardRoutes(app: HttpApp): void {
  const library = createRequire(import.meta.url);
  const roots = [
    { root: DASHBOARD, prefix: '/assets/' },
    { root: dirname(library.resolve('uplot')), prefix: '/assets/uplot/' },
    { root: join(dirname(library.resolve('yaml/package.json')), 'browser/dist'), prefix: '/assets/yaml/' },
  ];
  app.register(async (files) => {
    // The login page consists of these files, so they need no token.
    files.addHook('onRoute', (route) => {
      route.config = { ...route.config, role: 'public' };
    });
    for (const { root, prefix } of roots) {
      // Revalidated each time (a 304 when nothing changed): a coordinator of another version serves other files at the same address.
      files.register(fastifyStatic, { root, prefix, allowedPath, decorateReply: false, index: false, cacheControl: false, setHeaders });
    }
  });
  for (const path of PAGES) {
    app.get(path, { config: { role: 'public' }, schema: { hide: true } }, (_, reply) => sendDashboard(reply));
  }
}

/** Sends the dashboard's single page, which routes by address itself. */
export function sendDashboard(reply: FastifyReply): FastifyReply {
  return reply
    .header('cache-control', 'no-cache')
    .type('text/html; charset=utf-8')
    .serializer((body: Buffer) => body as unknown as string)
    .send(PAGE);
}

/** Hides the compiler's files of the folder. */
function allowedPath(path: string): boolean {
  return !/^\/(dist|types)\/|\/tsconfig\.json$/.test(path);
}

function setHeaders(reply: { header(name: string, value: string): unknown }): void {
  reply.header('cache-control', 'no-cache');
}
