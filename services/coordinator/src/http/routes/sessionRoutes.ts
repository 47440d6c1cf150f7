import { ROLES } from '@maestro/protocol';
import { z } from 'zod';
import { identityOf, SESSION_COOKIE } from '../../security/guardHttp.ts';
import type { HttpApp } from '../httpApp.ts';
import type { HttpDeps } from '../httpDeps.ts';
import { PROBLEMS } from '../problemResponses.ts';

const sessionSchema = z
  .object({
    isOpen: z.boolean().describe('authentication is disabled'),
    name: z.string().optional().describe('of the token'),
    role: z.enum(ROLES).optional(),
  })
  .meta({ id: 'Session' });
const loginSchema = z.strictObject({ token: z.string().min(1).max(500) });

/** Adds the session routes: log a browser in by token, show who is logged in, log out. */
export function addSessionRoutes(app: HttpApp, { access, tls }: HttpDeps): void {
  const tags = ['session'];
  const cookie = (value: string, seconds: number): string =>
    `${SESSION_COOKIE}=${value}; Path=/; HttpOnly; SameSite=Strict; Max-Age=${seconds}${tls !== undefined ? '; Secure' : ''}`;

  app.post(
    '/api/v1/session',
    {
      config: { role: 'public' },
      schema: {
        operationId: 'login',
        summary: 'Logs in with a token; sets a cookie that is valid for twelve hours.',
        tags,
        body: loginSchema,
        response: { 200: sessionSchema, ...PROBLEMS },
      },
    },
    async (request, reply) => {
      if (access.isOpen) return { isOpen: true };
      const { identity, session } = await access.newSession(request.body.token, request.ip, Date.now());
      reply.header('set-cookie', cookie(session, 12 * 3600));
      return { isOpen: false, ...identity };
    },
  );

  app.get(
    '/api/v1/session',
    {
      config: { role: 'public' },
      schema: { operationId: 'getSession', summary: 'Returns the current session.', tags, response: { 200: sessionSchema, ...PROBLEMS } },
    },
    async (request) => (access.isOpen ? { isOpen: true } : { isOpen: false, ...(await identityOf(request, access)) }),
  );

  app.delete(
    '/api/v1/session',
    {
      config: { role: 'public' },
      schema: {
        operationId: 'logout',
        summary: 'Log out.',
        tags,
        response: { 204: z.undefined().describe('the cookie is deleted'), ...PROBLEMS },
      },
    },
    async (_, reply) => reply.header('set-cookie', cookie('', 0)).code(204).send(),
  );
}
