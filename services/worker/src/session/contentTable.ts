import { contentText } from '@maestro/data';
import type { RedisConnection } from '@maestro/redis';

/** A sample that was read with other bytes than before. */
export interface ContentConflict {
  readonly sample: number;
  /** Content hash of the current reading. */
  readonly found: number;
  /** Content hash of the first reading, and the name of its reader; that name is empty when it is unknown. */
  readonly first: number;
  readonly firstReader: string;
}

/** Content hashes of the samples of a job's data set at their first reading, by any worker. */
export interface ContentTable {
  /**
   * Compares readings (pairs of samples and content hashes) with the first ones, and stores those that are first themselves. Idempotent.
   * @throws MaestroError `redis-unavailable`.
   */
  compare(readings: Float64Array): Promise<ContentConflict[]>;
  /** Copies another table of the same data set, unless this one has entries. @throws MaestroError `redis-unavailable`. */
  inherit(from: string, samples: number): Promise<void>;
}

/** Samples per key: a string of Redis has at most 512 MB. */
const SAMPLES_PER_KEY = 2 ** 20;
/** Readings per call: Redis is blocked for some two milliseconds. */
const READINGS_PER_CALL = 1024;
/** Idle time after which a table expires. */
const KEPT_SECONDS = 24 * 3600;
/** Hashes have 52 bits; the eighth byte of an entry is its reader's number. */
const HASH_BYTES = 7;

/**
 * KEYS: names of readers, the entries. ARGV: own name, seconds to keep, places (4 bytes each), hashes (7 bytes each). An entry is a hash
 * and the number of its reader, 1..254, or 255 for later ones; zeros are no entry. Returns index, entry and reader's name of each that
 * differs.
 */
const COMPARE_SCRIPT = `
local names, entries, name = KEYS[1], KEYS[2], ARGV[1]
local own = redis.call('HGET', names, name)
if not own then
  own = math.min(redis.call('HLEN', names) / 2 + 1, 255)
  if own < 255 then redis.call('HSET', names, name, own, '#' .. own, name) end
end
own = string.char(own)
local none, differing = string.rep('\\0', 8), {}
local places, hashes = ARGV[3], ARGV[4]
for i = 0, #places / 4 - 1 do
  local a, b, c, d = string.byte(places, 4 * i + 1, 4 * i + 4)
  local at = 8 * (((a * 256 + b) * 256 + c) * 256 + d)
  local hash = string.sub(hashes, 7 * i + 1, 7 * i + 7)
  local entry = redis.call('GETRANGE', entries, at, at + 7)
  if #entry < 8 or entry == none then
    redis.call('SETRANGE', entries, at, hash .. own)
  elseif string.sub(entry, 1, 7) ~= hash then
    local reader = redis.call('HGET', names, '#' .. string.byte(entry, 8)) or ''
    table.insert(differing, { i, string.sub(entry, 1, 7), reader })
  end
end
redis.call('EXPIRE', names, ARGV[2])
redis.call('EXPIRE', entries, ARGV[2])
return differing
`;

/**
 * Opens the table `name` in Redis. It takes 8 bytes for each sample of the data set: 10.4 MB for 1.3 million samples, 800 MB for 100
 * million.
 *
 * @param reader name of this worker.
 */
export function openContentTable({
  redis,
  name,
  reader,
}: {
  readonly redis: RedisConnection;
  readonly name: string;
  readonly reader: string;
}): ContentTable {
  const key = keyOf(name);

  /** Compares the readings of one key, given by their numbers among all readings. */
  const compareKey = async (part: number, numbers: readonly number[], readings: Float64Array): Promise<ContentConflict[]> => {
    const places = Buffer.alloc(4 * numbers.length);
    const hashes = Buffer.alloc(HASH_BYTES * numbers.length);
    for (const [i, number] of numbers.entries()) {
      places.writeUInt32BE(readings[2 * number]! % SAMPLES_PER_KEY, 4 * i);
      hashes.write(contentText(readings[2 * number + 1]!).padStart(2 * HASH_BYTES, '0'), HASH_BYTES * i, 'hex');
    }
    const found = (await redis.client.callBuffer(
      'EVAL',
      COMPARE_SCRIPT,
      2,
      `${key}:readers`,
      `${key}:${part}`,
      reader,
      KEPT_SECONDS,
      places,
      hashes,
    )) as [number, Buffer, Buffer][];
    return found.map(([at, entry, firstReader]) => ({
      sample: readings[2 * numbers[at]!]!,
      found: readings[2 * numbers[at]! + 1]!,
      first: Number.parseInt(entry.toString('hex'), 16),
      firstReader: firstReader.toString(),
    }));
  };

  return {
    compare: (readings) =>
      redis.call('compare what was read', async () => {
        const parts = new Map<number, number[]>();
        for (let number = 0; 2 * number < readings.length; number++) {
          const part = Math.floor(readings[2 * number]! / SAMPLES_PER_KEY);
          const numbers = parts.get(part) ?? [];
          numbers.push(number);
          parts.set(part, numbers);
        }
        const conflicts: ContentConflict[] = [];
        for (const [part, numbers] of parts) {
          for (let first = 0; first < numbers.length; first += READINGS_PER_CALL)
            conflicts.push(...(await compareKey(part, numbers.slice(first, first + READINGS_PER_CALL), readings)));
        }
        return conflicts;
      }),
    inherit: (from, samples) =>
      redis.call('look up what was read before', async () => {
        const { client } = redis;
        if ((await client.exists(`${key}:readers`)) === 1) return;
        for (let part = 0; part * SAMPLES_PER_KEY < samples; part++) {
          await client.copy(`${keyOf(from)}:${part}`, `${key}:${part}`);
          await client.expire(`${key}:${part}`, KEPT_SECONDS);
        }
        await client.copy(`${keyOf(from)}:readers`, `${key}:readers`);
        await client.expire(`${key}:readers`, KEPT_SECONDS);
      }),
  };
}

const keyOf = (name: string): string => `maestro:content:${name}`;
