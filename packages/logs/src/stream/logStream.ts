import type { RedisConnection } from '@maestro/redis';

/** The stream that every process writes to and the coordinator reads; beside it, how many bytes it has. */
export const STREAM_KEY = 'maestro:logs';
const BYTES_KEY = 'maestro:logs:bytes';

/** Most bytes of lines that wait in Redis for a coordinator; beyond it the oldest go. */
export const MOST_STREAM_BYTES = 64 * 1024 * 1024;

/**
 * Adds an entry; the oldest ones go while the stream is too large. Bounded by bytes, not by entries: an entry has one line or a thousand.
 * Both keys change in one script, so they agree after a crash as well.
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

/** Consecutive lines of one process, as they travel. */
export interface LogBatch {
  /** The process: its name, and what tells it from others of that name. */
  readonly source: string;
  /** Lines of the process before the first of these. */
  readonly sequence: number;
  /** Lines, each without its newline, joined by newlines. */
  readonly body: string;
}

/** A batch with its place in the stream. */
export interface LogEntry extends LogBatch {
  readonly id: string;
}

/** What is asked of Redis here; ioredis has it. */
type Client = Pick<RedisConnection['client'], 'eval' | 'xread' | 'xrevrange'>;

/** Adds a batch to the stream. */
export async function appendBatch(client: Client, { source, sequence, body }: LogBatch, mostBytes = MOST_STREAM_BYTES): Promise<void> {
  await client.eval(APPEND_SCRIPT, 2, STREAM_KEY, BYTES_KEY, source, sequence, body, mostBytes);
}

/** Removes everything up to `id`. */
export async function trimStream(client: Client, id: string): Promise<void> {
  await client.eval(TRIM_SCRIPT, 2, STREAM_KEY, BYTES_KEY, id);
}

/** The entries after `id`, at most `count`; waits up to `blockMs` when there is none yet. */
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

/** The id of the newest entry; `undefined` when the stream is empty. */
export async function newestId(client: Client): Promise<string | undefined> {
  return (await client.xrevrange(STREAM_KEY, '+', '-', 'COUNT', 1))[0]?.[0];
}

/** Whether an entry's id comes before another's. */
export function isBefore(a: string, b: string): boolean {
  const [aMs, aCount] = a.split('-').map(Number) as [number, number];
  const [bMs, bCount] = b.split('-').map(Number) as [number, number];
  return aMs < bMs || (aMs === bMs && aCount < bCount);
}
