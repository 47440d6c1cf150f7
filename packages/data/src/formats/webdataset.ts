import { errorMessage, isMaestroError, MaestroError } from '@maestro/protocol';
import {
  inFileTime,
  isHttp,
  isPassing,
  isUrl,
  lastName,
  openSource,
  openStorage,
  parentOf,
  resolveLocation,
  type Source,
} from '@maestro/storage';
import { hashOf, openBlockCache } from '../blocks/blockCache.ts';
import { type BlockedShard, openBlockReader, otherBytes } from '../blocks/blockReader.ts';
import type { BoundedFolderOptions } from '../blocks/boundedFolder.ts';
import { blockChecks, openLocalShards } from '../blocks/localShards.ts';
import { contentHash } from '../loader/contentHash.ts';
import type { Dataset, OpenDatasetOptions } from './dataset.ts';
import type { WebDatasetSource } from './datasetSource.ts';
import { PROBE_BYTES } from './holdOut.ts';
import { indexShards } from './indexShards.ts';
import { INDEX_FILE, parsePackIndex } from './packIndex.ts';

/** An index of ten million samples has some 600 MB, and is read into one string. */
const MOST_INDEX_BYTES = 500e6;
/** Limits samples read ahead, and so the memory of samples requested but never read. */
const MOST_AHEAD = 32;
/** Number of blocks of a local copy, spread evenly over its shards, that are verified when it is opened. */
const CHECKED_BLOCKS = 64;

/**
 * Reads the index of a packed data set: `path` is its folder, `s3://bucket/prefix` or `http(s)://...`, with or without the index's name at
 * the end. Shards without an index, packed by other tools, get one (see {@link indexShards}). In a local copy the sizes of all shards and
 * some blocks are checked now; of remote shards each block is checked when it is read.
 *
 * @throws MaestroError `not-found`, `data-invalid`; `unavailable` when the server does not answer now.
 */
export async function readWebDataset(
  { path }: { readonly path: string },
  { signal, cache, patienceMs }: OpenDatasetOptions = {},
): Promise<WebDatasetSource> {
  const given = resolveLocation(path);
  const location = lastName(given).endsWith('.json') ? parentOf(given) : given;
  const name = location === given ? INDEX_FILE : lastName(given);
  const source = openSource(location);
  const bytes = await readIndex(source, name, cache, signal);
  const { shards: packed, names, labels, widths, heights, broken, sourceSizes, sourceProbes, ...rest } = parsePackIndex(bytes, location);
  const shards = packed.map(({ name, sizeBytes, blocks }) => ({ name, sizeBytes, blocks }));
  if (!isUrl(location)) await checkCopy(source, shards, rest.blockBytes, signal);
  const { length } = names;
  const shardOf = new Uint32Array(new SharedArrayBuffer(4 * length));
  let at = 0;
  for (const [shard, { offsets }] of packed.entries()) {
    shardOf.fill(shard, at, at + offsets.length);
    at += offsets.length;
  }
  return {
    format: 'webdataset',
    location,
    ...rest,
    shards,
    names,
    shardOf,
    offsets: shared(
      Float64Array,
      packed.flatMap(({ offsets }) => offsets),
    ),
    sizes: shared(
      Uint32Array,
      packed.flatMap(({ sizes }) => sizes),
    ),
    labels: shared(Int32Array, labels),
    widths: shared(Uint32Array, widths),
    heights: shared(Uint32Array, heights),
    sourceSizes: sourceSizes && shared(Uint32Array, sourceSizes),
    sourceProbes: sourceProbes && shared(Float64Array, sourceProbes),
    checks: blockChecks(isUrl(location) ? [] : shards),
    broken: new Map(broken.map(({ index, reason }) => [index, reason])),
    cache,
    patienceMs,
  };
}

/** Opens `source` as a data set. */
export function webDataset(source: WebDatasetSource): Dataset {
  const { location, content, channels, isPadded, classes, names, shards, shardOf, offsets, sizes, labels, widths, heights, broken } =
    source;
  const { sourceSizes, sourceProbes } = source;
  const cache = source.cache && openBlockCache(source.cache);
  const blocks = isUrl(location)
    ? openBlockReader({ source: openSource(location), blockBytes: source.blockBytes, cache, patienceMs: source.patienceMs })
    : undefined;
  const local =
    blocks === undefined
      ? openLocalShards({ folder: openStorage(location), shards, blockBytes: source.blockBytes, checks: source.checks })
      : undefined;
  /** Samples being read ahead; each is returned once. */
  const coming = new Map<number, Promise<Uint8Array>>();
  const begin = (index: number, most = Number.POSITIVE_INFINITY): Promise<Uint8Array> => {
    const [shard, begin] = [shardOf[index]!, offsets[index]!];
    const end = begin + Math.min(sizes[index]!, most);
    return local?.(shard, begin, end) ?? blocks!.read(shards[shard]!, begin, end);
  };
  return {
    length: names.length,
    channels,
    classes,
    fingerprint: source.fingerprint,
    // A local copy is verified as well, but may change unnoticed under a job: a disk that returns other bytes than before.
    isFingerprintWhole: blocks !== undefined,
    source,
    name: (index) => names[index]!,
    sizeBytes: (index) => (sourceSizes ?? sizes)[index]!,
    probe: async (index) => sourceProbes?.[index] ?? contentHash(sizes[index] === 0 ? new Uint8Array() : await begin(index, PROBE_BYTES)),
    label: (index) => (labels[index]! < 0 ? undefined : labels[index]),
    async read(index) {
      const reason = broken.get(index);
      if (reason !== undefined) return { kind: 'broken', reason };
      const ahead = coming.get(index);
      coming.delete(index);
      const bytes = await (ahead ?? begin(index));
      if (content === 'encoded') return { kind: 'encoded', bytes };
      return { kind: 'pixels', data: bytes, width: widths[index]!, height: heights[index]!, channels, isPadded };
    },
    prefetch(index) {
      if (broken.has(index) || coming.has(index) || coming.size >= MOST_AHEAD) return;
      const reading = begin(index);
      reading.catch(() => undefined); // the reader gets the error
      coming.set(index, reading);
    },
  };
}

/** Reads the index next to the shards; when there is none, builds one from them, if the location can be listed. */
async function readIndex(
  source: Source,
  name: string,
  cache: BoundedFolderOptions | undefined,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  const { location } = source;
  try {
    // A hanging mount is detected sooner by its first answer than by a large index.
    if (!isUrl(location)) await inFileTime(source.sizeOf(name), `packed data set ${location}`, { signal }).catch(passNotFound);
    return await source.readWhole(name, { limitBytes: MOST_INDEX_BYTES, signal });
  } catch (cause) {
    if (isUrl(location) && isPassing(cause)) throw new MaestroError('unavailable', errorMessage(cause), { cause });
    if (!isMaestroError(cause, 'not-found')) throw cause;
    const made = isHttp(location) || name !== INDEX_FILE ? undefined : await indexShards(openStorage(location), { signal, cache });
    if (made !== undefined) return made;
    const message = `packed data set: there is no ${name} in ${location}, nor tar shards; \`maestro dataset pack\` writes both`;
    throw new MaestroError(
      'not-found',
      isHttp(location) ? `packed data set: there is no ${name} in ${location}; \`maestro dataset pack\` writes one` : message,
      { cause },
    );
  }
}

/** Reading the file gives a better message for what is missing. */
function passNotFound(error: unknown): void {
  if (!isMaestroError(error, 'not-found')) throw error;
}

async function checkCopy(
  source: Source,
  shards: readonly BlockedShard[],
  blockBytes: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const damaged = (name: string, why: string): MaestroError =>
    new MaestroError('data-invalid', `packed data set ${source.location}: ${name} ${why}; copy it again`);
  for (const { name, sizeBytes } of shards) {
    const found = await source.sizeOf(name, signal);
    if (found !== sizeBytes) throw damaged(name, `has ${found} bytes, its index says ${sizeBytes}`);
  }
  const all = shards.flatMap((shard) => shard.blocks.map((sha256, at) => ({ shard, sha256, at })));
  const checked = Math.min(CHECKED_BLOCKS, all.length);
  for (let k = 0; k < checked; k++) {
    const { shard, sha256, at } = all[Math.floor((k * all.length) / checked)]!;
    const range = { begin: at * blockBytes, end: Math.min(shard.sizeBytes, (at + 1) * blockBytes) };
    if (hashOf(await source.readRange(shard.name, range, signal)) !== sha256) throw otherBytes(source.location, shard.name, range.begin);
  }
}

function shared<T extends Float64Array | Uint32Array | Int32Array>(
  kind: { new (buffer: SharedArrayBuffer): T; readonly BYTES_PER_ELEMENT: number },
  values: readonly number[],
): T {
  const array = new kind(new SharedArrayBuffer(kind.BYTES_PER_ELEMENT * values.length));
  array.set(values);
  return array;
}
