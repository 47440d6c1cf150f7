/** What a token may do: each role may do what those after it may. */
export const ROLES = ['admin', 'submit', 'read'] as const;

/** One of {@link ROLES}. */
export type Role = (typeof ROLES)[number];

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The role that a request needs; `public` asks for no token. Left out: `read` for GET, `submit` for everything else. */
    role?: Role | 'public';
  }
}
