/** Variables of a process by name. */
export type Variables = Readonly<Record<string, string | undefined>>;

/**
 * Returns the environment without empty or blank variables: `REDIS_URL=` in an environment file, and `${REDIS_URL:-}` of compose, mean that
 * it is not set. Everything that reads the environment reads it through this.
 */
export function readEnvironment(env: Variables = process.env): Variables {
  return Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined && value.trim() !== ''));
}
