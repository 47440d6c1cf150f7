import type { RedisConnection } from '@maestro/redis';

/** The stream that every process writes to and the coordinator reads; the other key holds its size in bytes. */
export const STREAM_KEY = 'maestro:logs';
const BYTES_KEY = 'maestro:logs:bytes';

/** Limits the bytes of lines that wait in Redis for a coordinator; the oldest are dropped. */
const MOST_STREAM_BYTES = 64 * 1024 * 1024;

/**
 * Appends an entry and drops the oldest while the stream is too large. Limited by bytes, not entries: an entry has one line or a thousand.
 * Both keys change in one script, so they also agree after a crash.
 */
const APPEND_SCRIPT = `
local id = redis.call('XADD', KEYS[1], '*', 's', ARGV[1], 'n', ARGV[2], 'b', ARGV[3])
if redis.call('XLEN', KEYS[1]) == 1 then redis.call('SET', KEYS[2], 0) end
local bytes = redis.call('INCRBY', KEYS[2], #ARGV[3])
while bytes > tonumber(ARGV[4]) do
  local oldest = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
  if oldest[1] == id then break end
  bytes = redis.call('DECRBY', KEYS[2], #oldest[2][6])
  redis.call('XDEL', KEYS[1], oldest[1])
end
return id`;

/** Removes the entries up to an id. */
const TRIM_SCRIPT = `
local removed = redis.call('XRANGE', KEYS[1], '-', ARGV[1])
for _, entry in ipairs(removed) do
  redis.call('DECRBY', KEYS[2], #entry[2][6])
  redis.call('XDEL', KEYS[1], entry[1])
end
return #removed`;

/** Consecutive lines of one process, as sent. */
export interface LogBatch {
  /** The process: its name, and a part that makes it unique. */
  readonly source: string;
  /** Number of earlier lines of the process. */
  readonly sequence: number;
  /** Lines, each without its newline, joined by newlines. */
  readonly body: string;
}

/** A batch with its id in the stream. */
export interface LogEntry extends LogBatch {
  readonly id: string;
}

/** The Redis commands used here, as declared by ioredis. */
type Client = Pick<RedisConnection['client'], 'eval' | 'xread' | 'xrevrange'>;

/** Appends a batch to the stream. */
export async function appendBatch(client: Client, { source, sequence, body }: LogBatch, mostBytes = MOST_STREAM_BYTES): Promise<void> {
  await client.eval(APPEND_SCRIPT, 2, STREAM_KEY, BYTES_KEY, source, sequence, body, mostBytes);
}

/** Removes everything up to `id`. */
export async function trimStream(client: Client, id: string): Promise<void> {
  await client.eval(TRIM_SCRIPT, 2, STREAM_KEY, BYTES_KEY, id);
}

/** Reads the entries after `id`, at most `count`; waits up to `blockMs` for the first. */
export async function readEntries(
  client: Client,
  id: string,
  { count, blockMs }: { readonly count: number; readonly blockMs: number },
): Promise<LogEntry[]> {
  const found = await client.xread('COUNT', count, 'BLOCK', blockMs, 'STREAMS', STREAM_KEY, id);
  return (found?.[0]?.[1] ?? []).map(([entryId, [, source, , sequence, , body]]) => ({
    id: entryId,
    source: source!,
    sequence: Number(sequence),
    body: body!,
  }));
}

/** Returns the id of the newest entry; `undefined` when the stream is empty. */
export async function newestId(client: Client): Promise<string | undefined> {
  return (await client.xrevrange(STREAM_KEY, '+', '-', 'COUNT', 1))[0]?.[0];
}

/** True when an entry's id precedes another's. */
export function isBefore(a: string, b: string): boolean {
  const [aMs, aCount] = a.split('-').map(Number) as [number, number];
  const [bMs, bCount] = b.split('-').map(Number) as [number, number];
  return aMs < bMs || (aMs === bMs && aCount < bCount);
}
