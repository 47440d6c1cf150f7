/**
 * Permissions of a token. `admin` may do everything, `submit` may also read; `worker` may attach to the coordinator as a worker and nothing
 * else.
 */
export const ROLES = ['admin', 'submit', 'read', 'worker'] as const;

/** One of {@link ROLES}. */
export type Role = (typeof ROLES)[number];

const MAY: Readonly<Record<Role, readonly Role[]>> = {
  admin: ROLES,
  submit: ['submit', 'read'],
  read: ['read'],
  worker: ['worker'],
};

/** True when `role` includes the permissions of `needed`. */
export function isAllowed(role: Role, needed: Role): boolean {
  return MAY[role].includes(needed);
}
