import { isIP } from 'node:net';
import { MaestroError, type Role } from '@maestro/protocol';
import type { FastifyRequest } from 'fastify';
import type { HttpApp } from '../http/httpApp.ts';
import { type Access, bearerToken, type Identity, requireRole } from './tokens.ts';

/** Name of the dashboard's cookie. */
export const SESSION_COOKIE = 'maestro_session';
/** Token schemes of the OpenAPI document. */
export const SECURITY_SCHEMES = {
  bearer: { type: 'http', scheme: 'bearer', description: 'a token of MAESTRO_TOKENS' },
  session: { type: 'apiKey', in: 'cookie', name: SESSION_COOKIE, description: 'what POST /api/v1/session gives for a token' },
} as const;

/**
 * Allows only what this server serves: no inline script, no foreign host. Styles are set by script through the CSSOM, which needs no
 * exception; pictures may be created in the page.
 */
const CONTENT_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; " +
  "manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
const HEADERS = {
  'content-security-policy': CONTENT_POLICY,
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
} as const;

/**
 * Guards every route: the caller must have the role that the route needs; pages of other sites cannot make requests in a user's name; sets
 * security headers. Also covers websockets, which begin as a request.
 */
export function guardHttp(app: HttpApp, access: Access): void {
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(HEADERS);
    requireOwnSite(request, access.isOpen);
    const needed = neededRole(request);
    if (needed === 'public' || access.isOpen) return;
    requireRole(await identityOf(request, access), needed);
  });
}

/** Identifies the caller, by header or cookie. */
export async function identityOf(request: FastifyRequest, access: Access): Promise<Identity> {
  const { authorization, cookie } = request.headers;
  if (authorization !== undefined) return access.byToken(bearerToken(authorization), request.ip);
  const session = sessionOf(cookie);
  const identity = session === undefined ? undefined : access.bySession(session, Date.now());
  if (identity === undefined)
    throw new MaestroError('unauthenticated', 'missing token: send `Authorization: Bearer TOKEN`, or log in to the dashboard');
  return identity;
}

function neededRole({ routeOptions, method }: FastifyRequest): Role | 'public' {
  // An unknown address reveals nothing.
  if (routeOptions.url === undefined) return 'public';
  return routeOptions.config.role ?? (method === 'GET' ? 'read' : 'submit');
}

function sessionOf(cookie: string | undefined): string | undefined {
  for (const part of cookie?.split(';') ?? []) {
    const [name, value] = part.trim().split('=', 2);
    if (name === SESSION_COOKIE) return value;
  }
  return undefined;
}

/**
 * A browser names the site that a request comes from. Without tokens, the host must also be an address: a name may be another site's that
 * was pointed at this machine (DNS rebinding).
 */
function requireOwnSite({ headers, method }: FastifyRequest, isOpen: boolean): void {
  const { host = '', origin } = headers;
  if (isOpen && !isAddress(host)) {
    throw new MaestroError(
      'permission-denied',
      `host ${host}: without tokens, use an IP address or localhost; with MAESTRO_TOKENS, any host name works`,
    );
  }
  const isReading = method === 'GET' && headers.upgrade === undefined;
  if (isReading || origin === undefined) return;
  if (!URL.canParse(origin) || new URL(origin).host !== host)
    throw new MaestroError('permission-denied', `requests from the site ${origin} are refused`);
}

function isAddress(host: string): boolean {
  const name = host.replace(/:\d+$/, '').replace(/^\[|\]$/g, '');
  return name === 'localhost' || isIP(name) > 0;
}
