import { closeSync, openSync, readFileSync, readSync, writeSync } from 'node:fs';
import type { Variables } from './readEnvironment.ts';

/** Variables that may hold a secret. */
const SECRET_VARIABLES = [
  'MAESTRO_TOKENS',
  'MAESTRO_TOKEN',
  'MAESTRO_REDIS_URL',
  'REDIS_URL',
  'AWS_SECRET_ACCESS_KEY',
  'AWS_SESSION_TOKEN',
] as const;

/** One of {@link SECRET_VARIABLES}. */
export type SecretVariable = (typeof SECRET_VARIABLES)[number];

/** Returns the environment without secrets that a child process does not need. */
export function withoutVariables<T extends Variables>(env: T, names: readonly SecretVariable[] = SECRET_VARIABLES): T {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !(names as readonly string[]).includes(name))) as T;
}

/** Indices in `/proc/self/stat` after the name: the memory range of the initial environment (proc(5): fields 50 and 51 overall). */
const ENV_START_FIELD = 50 - 3;
const ENV_END_FIELD = 51 - 3;

/**
 * Overwrites the secrets in the memory that `/proc/PID/environ` shows, which deleting a variable does not do; `process.env` keeps them.
 * Must be called first. Without /proc, or when the kernel does not let a process write there, nothing happens: give secrets as files then.
 *
 * @returns true when they were overwritten.
 */
export function scrubEnvironment(): boolean {
  const secrets = SECRET_VARIABLES.flatMap((name) => (process.env[name] ? [{ name, value: process.env[name] }] : []));
  if (secrets.length === 0) return true;
  try {
    // The C library must not keep pointers to the overwritten memory; a variable that is set again gets new memory.
    for (const { name } of secrets) delete process.env[name];
    eraseInitial(new Set(secrets.map(({ name }) => name)));
    return true;
  } catch {
    return false;
  } finally {
    for (const { name, value } of secrets) process.env[name] = value;
  }
}

function eraseInitial(names: ReadonlySet<string>): void {
  const stat = readFileSync('/proc/self/stat', 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [start, end] = [Number(fields[ENV_START_FIELD]), Number(fields[ENV_END_FIELD])];
  if (!(start > 0 && end > start)) throw new Error('the kernel does not tell where the environment is');
  const memory = openSync('/proc/self/mem', 'r+');
  try {
    const block = Buffer.alloc(end - start);
    readSync(memory, block, 0, block.length, start);
    for (let from = 0; from < block.length; ) {
      const zero = block.indexOf(0, from);
      const to = zero < 0 ? block.length : zero;
      const equals = block.indexOf('=', from);
      if (equals > from && equals < to && names.has(block.toString('latin1', from, equals)))
        writeSync(memory, Buffer.alloc(to - equals - 1), 0, to - equals - 1, start + equals + 1);
      from = to + 1;
    }
  } finally {
    closeSync(memory);
  }
}
