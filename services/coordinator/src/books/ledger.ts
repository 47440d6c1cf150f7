/** The ledger of a job: the committed steps, and which worker took which samples. One Redis hash; see {@link LEDGER_FIELDS}. */

import { addDigests } from '@maestro/data';
import { FIRST_ARG, FIRST_KEY } from './lease.ts';

/** One virtual rank's part of a committed step. */
export interface RankShare {
  /** Id of the worker that computed it. */
  readonly worker: string;
  /** Images read: the samples taken without the broken ones. */
  readonly images: number;
  /** Digest of the samples taken, including broken ones. */
  readonly digest: number;
}

/** One committed step, or several of one window and generation that follow each other, to be written to the ledger. */
export interface LedgerEntry {
  readonly jobId: string;
  readonly generation: number;
  /** Steps done, including the first of this entry. Default: one step, that of `step`. */
  readonly first?: number;
  /** Steps done, including this one. */
  readonly step: number;
  readonly images: number;
  /** Digest of the bytes of its samples; 0 when unknown. */
  readonly content: number;
  readonly epoch: number;
  /** The window of the step, counted from 0 in each epoch. */
  readonly window: number;
  /** By virtual rank. */
  readonly ranks: readonly RankShare[];
}

/** Outcome of an entry: written, already present, ahead of a missing step, or of an ended generation. */
export type CommitResult = 'committed' | 'known' | 'gap' | 'stale';

/** Consecutive steps (indices, both inclusive) of a shard that one worker did in one generation. */
export interface Segment extends RankShare {
  readonly first: number;
  readonly last: number;
  readonly generation: number;
}

/** The ledger's record of one shard. */
export interface ShardRow {
  readonly epoch: number;
  readonly window: number;
  readonly virtualRank: number;
  readonly segments: readonly Segment[];
}

/** Images and digest that a worker contributed. */
export interface WorkerTotal {
  readonly images: number;
  readonly digest: number;
}

/** Row of a finished epoch, which replaces its shards' rows. */
export interface EpochRow {
  readonly epoch: number;
  /** Index of the first step that counts here: not the epoch's first when a job resumed within it. */
  readonly firstStep: number;
  readonly steps: number;
  readonly images: number;
  /** Broken samples, which were taken but gave no image. */
  readonly skipped: number;
  /** Steps whose workers are unknown. */
  readonly unknownSteps: number;
  readonly digest: number;
  readonly workers: Readonly<Record<string, WorkerTotal>>;
}

/** A job's ledger as read from Redis. */
export interface Ledger {
  readonly generation: number;
  /** Steps done before this job: it resumed from a checkpoint. */
  readonly firstStep: number;
  /** Steps committed, including those before this job. */
  readonly step: number;
  /** Samples in the data set. */
  readonly samples: number;
  readonly images: number;
  /** Digest of the bytes of all samples when they were taken, summed at each commit; undefined in ledgers of older versions. */
  readonly content: number | undefined;
  /** Steps recomputed because their weights were lost with all workers. */
  readonly redone: number;
  readonly shards: readonly ShardRow[];
  readonly epochs: readonly EpochRow[];
  /** Total of each worker over the whole job, summed at each commit: independent of rows and folds. */
  readonly workers: Readonly<Record<string, WorkerTotal>>;
  /** Fields that could not be read, as `name = value`. */
  readonly unreadable: readonly string[];
}

/** A ledger without its rows. */
export type LedgerHead = Pick<Ledger, 'generation' | 'firstStep' | 'step'>;

/**
 * The fields of the hash.
 * - `generation`, `first`, `step`, `samples`, `images`, `redone`, `content`: as in {@link Ledger}.
 * - `shard:<epoch>:<window>:<virtual rank>`: segments `<first>-<last> <generation> <worker> <images> <digest>`, joined by `;`.
 * - `epoch:<epoch>`: an {@link EpochRow} as JSON.
 * - `worker:<id>`: `<images> <digest>`.
 */
const LEDGER_FIELDS = ['generation', 'first', 'step', 'samples', 'images', 'redone'] as const;

/** Worker of steps that nobody can report any more; their samples follow from the schedule. */
export const UNKNOWN_WORKER = 'unknown';

/** Returns the key of a job's ledger. */
export const ledgerKey = (jobId: string): string => `maestro:job:${jobId}:ledger`;

const KEY = `KEYS[${FIRST_KEY}]`;
const arg = (index: number): string => `ARGV[${FIRST_ARG + index}]`;

/** ARGV: generation, steps done, samples, first step of the job. Opens the ledger, or a generation in it; returns the committed steps. */
export const OPEN_SCRIPT = `
local generation, step = tonumber(${arg(0)}), tonumber(${arg(1)})
local seen = redis.call('HMGET', ${KEY}, 'generation', 'step')
if not seen[2] then
  redis.call('HSET', ${KEY}, 'generation', generation, 'first', ${arg(3)}, 'step', ${arg(3)}, 'samples', ${arg(2)},
    'images', 0, 'redone', 0, 'content', 0)
  return tonumber(${arg(3)})
end
local committed = tonumber(seen[2])
if generation > tonumber(seen[1]) then
  redis.call('HSET', ${KEY}, 'generation', generation)
  if step < committed then redis.call('HINCRBY', ${KEY}, 'redone', committed - step) end
end
return committed
`;

/**
 * ARGV: generation, first step, last step, images, prefix of the shards' fields, content, then worker, images and digest of each virtual
 * rank. Rows are read and written in one command each.
 */
export const COMMIT_SCRIPT = `
local generation, first, step = tonumber(${arg(0)}), tonumber(${arg(1)}), tonumber(${arg(2)})
local seen = redis.call('HMGET', ${KEY}, 'generation', 'step', 'content')
if not seen[2] then return 'gap' end
local committed = tonumber(seen[2])
if step <= committed then return 'known' end
if generation < tonumber(seen[1]) then return 'stale' end
if first ~= committed + 1 then return 'gap' end
local function exact(number) return string.format('%.0f', number) end
local written = { 'generation', generation, 'step', step }
if seen[3] then
  written[5], written[6] = 'content', exact((tonumber(seen[3]) + tonumber(${arg(5)})) % ${2 ** 52})
end
redis.call('HINCRBY', ${KEY}, 'images', ${arg(3)})
local from, to = first - 1, step - 1
local begin = ${FIRST_ARG + 6}
local fields, totals, workers = {}, {}, {}
for at = begin, #ARGV, 3 do
  fields[#fields + 1] = ${arg(4)} .. (at - begin) / 3
  local worker = ARGV[at]
  if not totals[worker] then
    totals[worker] = { 0, 0 }
    workers[#workers + 1] = worker
  end
end
local ranks = #fields
for i = 1, #workers do fields[ranks + i] = 'worker:' .. workers[i] end
local rows = redis.call('HMGET', ${KEY}, unpack(fields))
for rank = 1, ranks do
  local at = begin + 3 * (rank - 1)
  local worker, images, digest = ARGV[at], tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  local total = totals[worker]
  total[1], total[2] = total[1] + images, (total[2] + digest) % ${2 ** 52}
  local row = rows[rank]
  local before, since = '', from
  if row then
    local head, f, l, g, w, i, d = string.match(row, '^(.-)(%d+)%-(%d+) (%d+) (%S+) (%d+) (%d+)$')
    if w == worker and tonumber(g) == generation and tonumber(l) == from - 1 then
      before, since, images, digest = head, f, images + tonumber(i), (digest + tonumber(d)) % ${2 ** 52}
    else
      before = row .. ';'
    end
  end
  written[#written + 1] = fields[rank]
  written[#written + 1] = before .. since .. '-' .. to .. ' ' .. generation .. ' ' .. worker .. ' ' .. exact(images) .. ' ' .. exact(digest)
end
for i = 1, #workers do
  local total = totals[workers[i]]
  local images, digest = string.match(rows[ranks + i] or '0 0', '^(%d+) (%d+)$')
  written[#written + 1] = fields[ranks + i]
  written[#written + 1] = exact(total[1] + tonumber(images)) .. ' ' .. exact((total[2] + tonumber(digest)) % ${2 ** 52})
end
redis.call('HSET', ${KEY}, unpack(written))
return 'committed'
`;

/** ARGV: epoch, its row, windows per epoch, virtual ranks. Replaces the epoch's shards by the row. */
export const FOLD_SCRIPT = `
local row = 'epoch:' .. ${arg(0)}
if redis.call('HEXISTS', ${KEY}, row) == 1 then return 'known' end
redis.call('HSET', ${KEY}, row, ${arg(1)})
for window = 0, ${arg(2)} - 1 do
  for rank = 0, ${arg(3)} - 1 do redis.call('HDEL', ${KEY}, 'shard:' .. ${arg(0)} .. ':' .. window .. ':' .. rank) end
end
return 'folded'
`;

/** Returns the arguments of {@link COMMIT_SCRIPT}. */
export function commitArgs({ generation, step, first = step, images, content, epoch, window, ranks }: LedgerEntry): (string | number)[] {
  return [
    generation,
    first,
    step,
    images,
    `shard:${epoch}:${window}:`,
    content,
    ...ranks.flatMap((share) => [share.worker, share.images, share.digest]),
  ];
}

/** Returns true when `next` can be written with `entry`: the step behind it, of the same window, by the same workers. */
export function followsIn(entry: LedgerEntry, next: LedgerEntry): boolean {
  return next.step === entry.step + 1 && next.generation === entry.generation && next.epoch === entry.epoch && next.window === entry.window;
}

/** Joins entries that each {@link followsIn} the one before, so that they are written at once: in a view, a virtual rank has one worker. */
export function joinEntries(entries: readonly LedgerEntry[]): LedgerEntry {
  const [head, ...rest] = entries as [LedgerEntry, ...LedgerEntry[]];
  if (rest.length === 0) return head;
  const ranks = head.ranks.map((share, rank) => {
    let { images, digest } = share;
    for (const entry of rest) {
      images += entry.ranks[rank]!.images;
      digest = addDigests(digest, entry.ranks[rank]!.digest);
    }
    return { worker: share.worker, images, digest };
  });
  return {
    ...head,
    first: head.step,
    step: rest.at(-1)!.step,
    images: entries.reduce((sum, { images }) => sum + images, 0),
    content: entries.reduce((sum, { content }) => addDigests(sum, content), 0),
    ranks,
  };
}

/** Parses a ledger's hash; `undefined` when there is none. */
export function parseLedger(fields: Readonly<Record<string, string>>): Ledger | undefined {
  if (fields['step'] === undefined) return undefined;
  const [generation, firstStep, step, samples, images, redone] = LEDGER_FIELDS.map((name) => Number(fields[name])) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const shards: ShardRow[] = [];
  const epochs: EpochRow[] = [];
  const workers: Record<string, WorkerTotal> = {};
  const unreadable: string[] = [];
  for (const [name, value] of Object.entries(fields)) {
    if (name.startsWith('shard:')) {
      const shard = parseShard(name, value);
      if (shard === undefined) unreadable.push(`${name} = ${value}`);
      else shards.push(shard);
    } else if (name.startsWith('epoch:')) {
      const row = parseEpoch(value);
      if (row === undefined) unreadable.push(`${name} = ${value}`);
      else epochs.push(row);
    } else if (name.startsWith('worker:')) {
      const [total, digest] = value.split(' ').map(Number);
      if (Number.isSafeInteger(total) && Number.isSafeInteger(digest)) {
        workers[name.slice('worker:'.length)] = { images: total!, digest: digest! };
      } else unreadable.push(`${name} = ${value}`);
    }
  }
  const inOrder = (a: ShardRow, b: ShardRow) => a.epoch - b.epoch || a.window - b.window || a.virtualRank - b.virtualRank;
  epochs.sort((a, b) => a.epoch - b.epoch);
  const content = fields['content'] === undefined ? undefined : Number(fields['content']);
  return { generation, firstStep, step, samples, images, content, redone, shards: shards.sort(inOrder), epochs, workers, unreadable };
}

function parseEpoch(value: string): EpochRow | undefined {
  try {
    const row = JSON.parse(value) as EpochRow | null;
    const numbers = [row?.epoch, row?.firstStep, row?.steps, row?.images, row?.skipped, row?.digest];
    const isRow = numbers.every(Number.isSafeInteger) && typeof row?.workers === 'object' && row.workers !== null;
    return isRow ? row : undefined;
  } catch {
    return undefined;
  }
}

/** Returns the field name of a shard. */
export const shardField = ({ epoch, window, virtualRank }: Omit<ShardRow, 'segments'>): string => `shard:${epoch}:${window}:${virtualRank}`;

/** Parses a shard's field; `undefined` when it is not one. */
export function parseShard(name: string, value: string): ShardRow | undefined {
  const place = /^shard:(\d+):(\d+):(\d+)$/.exec(name);
  const segments = value.split(';').map(parseSegment);
  if (place === null || !segments.every((segment) => segment !== undefined)) return undefined;
  const [epoch, window, virtualRank] = place.slice(1).map(Number) as [number, number, number];
  return { epoch, window, virtualRank, segments };
}

function parseSegment(text: string): Segment | undefined {
  const match = /^(\d+)-(\d+) (\d+) (\S+) (\d+) (\d+)$/.exec(text);
  if (match === null) return undefined;
  const [first, last, generation, images, digest] = [match[1], match[2], match[3], match[5], match[6]].map(Number) as [
    number,
    number,
    number,
    number,
    number,
  ];
  return { first, last, generation, worker: match[4]!, images, digest };
}
