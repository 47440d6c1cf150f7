import { API_STYLE, apiPage } from './apiPage.ts';
import type { HttpApp } from './httpServer.ts';

/** The OpenAPI document (`/openapi.json`) and a page made of it (`/docs`), which needs neither network nor script. */
export function addDocsRoutes(app: HttpApp): void {
  const route = { config: { role: 'public' }, schema: { hide: true } } as const;
  app.get('/openapi.json', route, (_, reply) => reply.type('application/json').serializer(String).send(JSON.stringify(app.swagger())));
  app.get('/docs.css', route, (_, reply) => reply.type('text/css; charset=utf-8').serializer(String).send(API_STYLE));
  app.get('/docs', route, (_, reply) => reply.type('text/html; charset=utf-8').serializer(String).send(apiPage(app.swagger())));
}
