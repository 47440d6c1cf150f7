import type { HttpApp } from './httpServer.ts';

/** The OpenAPI document of every route that does not hide itself. */
export function addOpenApiRoutes(app: HttpApp): void {
  app.get('/openapi.json', { schema: { hide: true } }, (_, reply) =>
    reply.type('application/json').serializer(JSON.stringify).send(app.swagger()),
  );
}
