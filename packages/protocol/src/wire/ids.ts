import { randomBytes } from 'node:crypto';

const CROCKFORD = '0123456789abcdefghjkmnpqrstvwxyz';
const TIME_LENGTH = 10;
const RANDOM_LENGTH = 16;

/**
 * Creates a job id, `job-` and 26 characters that sort by time of creation (the layout of ULID: 48 bits of milliseconds, then 80 random
 * bits, in Crockford's base 32, lower case).
 */
export function newJobId({
  nowMs = Date.now(),
  random = randomBytes(RANDOM_LENGTH),
}: {
  nowMs?: number;
  random?: Uint8Array;
} = {}): string {
  let time = '';
  for (let rest = nowMs, i = 0; i < TIME_LENGTH; i++, rest = Math.floor(rest / 32)) time = CROCKFORD[rest % 32] + time;
  return `job-${time}${Array.from(random, (byte) => CROCKFORD[byte % 32]).join('')}`;
}
