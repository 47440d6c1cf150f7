import { MaestroError } from '@maestro/protocol';
import type { HttpApp } from './httpApp.ts';
import './routeRole.ts';

/**
 * Records the routes that are added from now on. The result, called after all of them, answers every other method at their addresses with
 * 405 and the header `Allow`, as RFC 9110 requires.
 */
export function refuseOtherMethods(app: HttpApp): () => void {
  const taken = new Map<string, Set<string>>();
  app.addHook('onRoute', ({ url, method }) => {
    const methods = taken.get(url) ?? new Set();
    taken.set(url, methods);
    for (const each of [method].flat()) methods.add(each);
  });
  return () => {
    // Plugins add their routes when they are loaded, in the order of registration.
    app.register(async (scope) => {
      for (const [url, methods] of [...taken].filter(([at]) => at !== '*')) {
        const allowed = [...methods].join(', ');
        const others = scope.supportedMethods.filter((method) => !methods.has(method));
        scope.route({
          method: others,
          url,
          config: { role: 'public' },
          schema: { hide: true },
          // Before the body is parsed, which may be unparseable.
          onRequest: async (request, reply) => {
            reply.header('allow', allowed);
            const at = request.url.split('?', 1)[0]!;
            throw new MaestroError('method-not-allowed', `${request.method} ${at}: allowed methods are ${allowed}`);
          },
          handler: async () => undefined,
        });
      }
    });
  };
}
