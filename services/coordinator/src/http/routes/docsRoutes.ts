import type { HttpApp } from '../httpApp.ts';
import { apiPage } from '../openapi/apiPage.ts';

/**
 * Adds the OpenAPI document (`/openapi.json`) and a page rendered from it (`/docs`), which needs no other host, and no script except for
 * its colours.
 */
export function addDocsRoutes(app: HttpApp): void {
  const route = { config: { role: 'public' }, schema: { hide: true } } as const;
  app.get('/openapi.json', route, (_, reply) => reply.type('application/json').serializer(String).send(JSON.stringify(app.swagger())));
  app.get('/docs', route, (_, reply) => reply.type('text/html; charset=utf-8').serializer(String).send(apiPage(app.swagger())));
}
