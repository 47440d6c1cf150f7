import { randomUUID } from 'node:crypto';
import { readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import {
  assertInternal,
  type FailureTimeouts,
  identifyProcess,
  isMaestroError,
  MaestroError,
  mayRun,
  type ProcessIdentity,
} from '@maestro/protocol';
import type { RedisConnection } from '@maestro/redis';

/** The exclusive right to write, held by one coordinator at a time. */
export interface CoordinatorLease {
  /** Increases at each start of a coordinator. */
  readonly incarnation: number;
  /** Resolves, once, when another coordinator holds the lease: this process must end, and can no longer write. */
  readonly fenced: Promise<MaestroError>;
  /**
   * Runs a Lua script that writes only if the lease is held; atomically, since the check is in the same script. The script finds its keys
   * and arguments at KEYS[FIRST_KEY] and ARGV[FIRST_ARG] onwards.
   *
   * @throws MaestroError `conflict` when fenced, `redis-unavailable`.
   */
  run<Result>(what: string, script: string, keys: readonly string[], args: readonly (string | number)[]): Promise<Result>;
  /** Publishes the addresses at which this coordinator serves. */
  announce(at: ServedAt): Promise<void>;
  /** Takes a new incarnation, above `seen`: used when Redis has lost the one that workers remember. */
  raise(seen: number): Promise<number>;
  /** Releases the lease, so that the next coordinator need not wait for its expiry. */
  release(): Promise<void>;
}

/** Addresses of a coordinator: host:port of gRPC, and of HTTP. */
export interface ServedAt {
  readonly address: string;
  readonly http: string;
}

/** Prefix of the keys of set-aside records, which no coordinator can read: the time; the original name follows. */
export const asidePrefix = (): string => `maestro:set-aside:${new Date().toISOString()}:`;

/** Indices of a script's own first key and argument. */
export const FIRST_KEY = 3;
export const FIRST_ARG = 5;

/** Duration of a lease, and the interval of its renewal. */
export type LeaseTimes = Pick<FailureTimeouts, 'leaseMs' | 'leaseRenewMs'>;

const POLL_MS = 250;
/** Upper bound of a lease, whatever the failure timeout. */
const MOST_LEASE_MS = 60_000;
const LEASE_KEY = 'maestro:coordinator';
const INCARNATION_KEY = 'maestro:incarnation';

/**
 * Lua functions that read either key, whatever its content: a text, or nil for another type; an integer that a count of starts can have
 * reached, or nil.
 */
const READ = `
local function text(key)
  local value = redis.pcall('GET', key)
  return type(value) == 'string' and value or nil
end
local function whole(value)
  local number = tonumber(value or '0')
  if not number or number < 0 or number >= ${2 ** 52} or number % 1 ~= 0 then return nil end
  return number
end
local function digits(number) return string.format('%.0f', number) end
`;

/**
 * KEYS: lease, incarnation. ARGV: nonce, incarnation, content of the lease, its duration. A missing lease was lost by Redis or expired
 * while nobody could write; its holder takes it again unless a later one came in between.
 */
const CHECK = `${READ}
local holder = text(KEYS[1])
if not holder then
  local newest = whole(text(KEYS[2])) or 0
  if newest > tonumber(ARGV[2]) then return redis.error_reply('FENCED') end
  redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
  redis.call('SET', KEYS[2], ARGV[2])
elseif not string.find(holder, ARGV[1], 1, true) then
  return redis.error_reply('FENCED ' .. holder)
end
`;

const RENEW = "redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])";

const RAISE = `
local incarnation = math.max(whole(text(KEYS[2])) or 0, tonumber(ARGV[5])) + 1
redis.call('SET', KEYS[2], digits(incarnation))
return incarnation
`;

const RELEASE = `${READ}
local holder = text(KEYS[1])
if holder and string.find(holder, ARGV[1], 1, true) then redis.call('DEL', KEYS[1]) end
`;

/**
 * KEYS as above. ARGV: nonce, content of the lease, its duration, nonce of a holder known to be dead, the maximum duration of a lease,
 * prefix for setting aside an invalid lease or incarnation. Returns the incarnation, or 0, the remaining time and content of the lease; and
 * what was set aside.
 */
const ACQUIRE = `${READ}
local aside = {}
local function setAside(key)
  redis.call('RENAME', key, ARGV[6] .. key)
  redis.call('PERSIST', ARGV[6] .. key)
  table.insert(aside, key)
end
local function isLease(value)
  local isJson, lease = pcall(cjson.decode, value or '')
  if not isJson or type(lease) ~= 'table' or type(lease.nonce) ~= 'string' or lease.nonce == '' then return false end
  if type(lease.pid) ~= 'number' or type(lease.host) ~= 'string' or type(lease.machine) ~= 'string' then return false end
  local left = redis.call('PTTL', KEYS[1])
  return left >= 0 and left <= tonumber(ARGV[5])
end
local holder = text(KEYS[1])
if redis.call('EXISTS', KEYS[1]) == 1 and not isLease(holder) then
  setAside(KEYS[1])
  holder = nil
end
local isFree = not holder or string.find(holder, ARGV[1], 1, true) or (ARGV[4] ~= '' and string.find(holder, ARGV[4], 1, true))
if not isFree then return { 0, redis.call('PTTL', KEYS[1]), holder, aside } end
local seen = text(KEYS[2])
local before = whole(seen)
if redis.call('EXISTS', KEYS[2]) == 1 and not (seen and before) then setAside(KEYS[2]) end
local incarnation = (before or 0) + 1
redis.call('SET', KEYS[2], digits(incarnation))
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return { incarnation, 0, '', aside }
`;

interface Holder extends ProcessIdentity {
  readonly nonce: string;
  readonly host: string;
  /** Scope within which a process id is unique: host and pid namespace. */
  readonly machine: string;
  readonly address: string;
  /** As in {@link ServedAt}. */
  readonly http?: string;
  readonly incarnation: number;
}

/**
 * Acquires the lease. One held by a dead process of this machine is taken over at once; one of another machine once it has expired. An
 * invalid lease or incarnation is set aside under another key and reported to `onSetAside`.
 *
 * @throws MaestroError `conflict` naming the living coordinator that holds it; nothing was changed then. `redis-unavailable`.
 */
export async function acquireLease(
  redis: RedisConnection,
  { leaseMs, leaseRenewMs }: LeaseTimes,
  onSetAside: (key: string) => void = () => undefined,
): Promise<CoordinatorLease> {
  const nonce = randomUUID();
  const host = hostname();
  let self: Holder = { nonce, ...identifyProcess(), host, machine: machineId(host), address: '', incarnation: 0 };
  const text = () => JSON.stringify(self);

  let reportFenced: (error: MaestroError) => void = () => undefined;
  const fenced = new Promise<MaestroError>((resolve) => {
    reportFenced = resolve;
  });
  let isReleased = false;

  const evaluate = <Result>(what: string, script: string, keys: readonly string[], args: readonly (string | number)[]): Promise<Result> =>
    redis.call(what, () => redis.client.eval(script, keys.length, ...keys, ...args) as Promise<Result>);

  const run = async <Result>(
    what: string,
    script: string,
    keys: readonly string[],
    args: readonly (string | number)[],
  ): Promise<Result> => {
    assertInternal(!isReleased, `${what} after the coordinator's lease was given back`);
    const own = [nonce, self.incarnation, text(), leaseMs];
    try {
      return await evaluate<Result>(what, CHECK + script, [LEASE_KEY, INCARNATION_KEY, ...keys], [...own, ...args]);
    } catch (error) {
      const reply = /FENCED ?(\{.*\})?/.exec((error as Error).message);
      if (reply === null) throw error;
      const holder = holderText(reply[1]);
      const failure = new MaestroError('conflict', `fenced: could not ${what}: ${holder} has taken over this Redis`, { cause: error });
      reportFenced(failure);
      throw failure;
    }
  };

  const renew = (): Promise<void> => run('renew the lease', RENEW, [], []);
  const become = async (incarnation: number): Promise<void> => {
    self = { ...self, incarnation };
    await renew();
  };

  await become(await acquire(evaluate, self, leaseMs, onSetAside));
  let renewing: Promise<void> | undefined;
  const timer = setInterval(() => {
    // Redis may be unreachable, or the lease lost: the first resolves on its return, the second was reported.
    renewing ??= renew()
      .catch(() => undefined)
      .finally(() => {
        renewing = undefined;
      });
  }, leaseRenewMs);
  fenced.then(() => clearInterval(timer));

  return {
    get incarnation() {
      return self.incarnation;
    },
    fenced,
    run,
    announce: async (at) => {
      self = { ...self, ...at };
      await renew();
    },
    raise: async (seen) => {
      await become(await run<number>('take a new incarnation', RAISE, [], [seen]));
      return self.incarnation;
    },
    release: async () => {
      clearInterval(timer);
      isReleased = true;
      await renewing;
      // Without Redis it expires by itself.
      await evaluate('give back the lease', RELEASE, [LEASE_KEY], [nonce]).catch((error: unknown) => {
        if (!isMaestroError(error, 'redis-unavailable')) throw error;
      });
    },
  };
}

/** Tries until the lease is acquired; returns the incarnation. */
async function acquire(
  evaluate: (what: string, script: string, keys: readonly string[], args: readonly (string | number)[]) => Promise<unknown>,
  self: Holder,
  leaseMs: number,
  onSetAside: (key: string) => void,
): Promise<number> {
  let dead = '';
  let before: { readonly nonce: string; readonly leftMs: number } | undefined;
  for (;;) {
    const args = [self.nonce, JSON.stringify(self), leaseMs, dead, MOST_LEASE_MS, asidePrefix()];
    const reply = await evaluate('take the lease', ACQUIRE, [LEASE_KEY, INCARNATION_KEY], args);
    const [incarnation, leftMs, held, aside] = reply as [number, number, string, string[]];
    for (const key of aside) onSetAside(key);
    if (incarnation > 0) return incarnation;
    const holder = JSON.parse(held) as Holder;
    if (holder.machine === self.machine && !mayRun(holder)) {
      dead = holder.nonce;
      continue;
    }
    // Its time was extended since the last check: the holder is alive.
    if (before?.nonce === holder.nonce && leftMs > before.leftMs) {
      throw new MaestroError('conflict', `${describe(holder)} is using this Redis; stop it first, or use another Redis for this one`);
    }
    before = { nonce: holder.nonce, leftMs };
    await new Promise((resolve) => setTimeout(resolve, Math.min(POLL_MS, leftMs + 1)));
  }
}

function describe({ pid, host, address }: Holder): string {
  return `another coordinator (process ${pid} on ${host}${address === '' ? '' : `, serving ${address}`})`;
}

/** Containers may share the host's name but not its process ids. */
function machineId(host: string): string {
  try {
    return `${host} ${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    return host; // not Linux: processes of one host share their ids
  }
}

/** Describes the coordinator that holds a lease; whoever wrote an invalid one is a later coordinator too. */
function holderText(lease: string | undefined): string {
  try {
    return describe(JSON.parse(lease ?? '') as Holder);
  } catch {
    return 'a later coordinator';
  }
}
