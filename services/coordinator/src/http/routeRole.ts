import type { Role } from '@maestro/protocol';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The role that a request needs; `public` requires no token. Default: `read` for GET, `submit` for everything else. */
    role?: Role | 'public';
  }
}
