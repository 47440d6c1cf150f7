import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { MaestroError } from '@maestro/protocol';
import { inFileTime, isUrl, READ_TIMEOUT_MS, readTar, type Storage, type StoredObject, TAR_BLOCK } from '@maestro/storage';
import { BLOCK_BYTES, blockHashes } from '../blocks/blockHashes.ts';
import { type BoundedFolderOptions, openBoundedFolder } from '../blocks/boundedFolder.ts';
import { IMAGE_EXTENSIONS } from '../images/imageCodec.ts';
import { encodePackIndex, type PackIndex, SHARD_NAME } from './packIndex.ts';

/** Group of these files in the cache. */
const GROUP = 'indexes';
/** Bytes read at a time. */
const CHUNK_BYTES = 16 * BLOCK_BYTES;
/** A class is a number; a longer file of that name is something else. */
const MOST_CLASS_BYTES = 16;
/** A larger number is an id and not a class. */
const MOST_CLASSES = 1_000_000;

/**
 * Builds the text of an index for tar shards without one, such as WebDataset's: all `*.tar` of a location, by name, each read once from
 * beginning to end. Members with the same name up to the first dot form a sample: its image, and its class when there is a `cls` with a
 * number. The text is kept in `cache`, keyed by names, sizes and times of the shards, so that it is built once; it is the same on every
 * machine.
 *
 * @returns undefined when there are no shards.
 * @throws MaestroError `data-invalid` when a shard is not a tar archive, is truncated, or none holds an image; `not-found` for shards of
 * our own, which without their index may be half of a set; `storage`; `cancelled`
 */
export async function indexShards(
  folder: Storage,
  { cache, signal }: { readonly cache?: BoundedFolderOptions | undefined; readonly signal?: AbortSignal | undefined } = {},
): Promise<Uint8Array | undefined> {
  const shards = await shardsOf(folder, signal);
  if (shards.length === 0) return undefined;
  if (await areOurs(folder, shards)) {
    const why =
      'they are what `maestro dataset pack` writes, but their index is not there: it was interrupted, or the copy lacks it. Pack or ' +
      'copy again';
    throw new MaestroError('not-found', `shards ${folder.location}: ${why}`);
  }
  const key = createHash('sha256').update(`index 1 ${BLOCK_BYTES} ${folder.location}\n`);
  for (const { name, sizeBytes, modifiedAt } of shards) key.update(`${name}\0${sizeBytes}\0${modifiedAt.getTime()}\n`);
  const name = `${key.digest('hex')}.json`;
  const kept = cache && (await readFile(join(cache.dir, GROUP, name)).catch(() => undefined));
  if (kept !== undefined) return kept;

  const index = {
    content: 'encoded' as const,
    channels: 3 as const,
    isPadded: false,
    classes: [] as string[],
    blockBytes: BLOCK_BYTES,
    shards: [] as PackIndex['shards'],
    names: [] as string[],
    labels: [] as number[],
    widths: [],
    heights: [],
    broken: [],
  };
  for (const shard of shards) await addShard(index, folder, shard, signal);
  if (index.names.length === 0)
    throw new MaestroError('data-invalid', `shards ${folder.location}: no image found in ${shards.length} archives; ${EXPECTED}`);
  index.classes = Array.from({ length: 1 + index.labels.reduce((most, label) => Math.max(most, label), -1) }, (_, label) => String(label));
  const text = encodePackIndex(index);
  // When the disk refuses it, the index is merely built again next time.
  if (cache !== undefined)
    await openBoundedFolder(cache)
      .put(GROUP, name, text)
      .catch(() => undefined);
  return text;
}

const EXPECTED = `members ending in ${IMAGE_EXTENSIONS.join(' ')} are looked for`;

/** True when shards are our own, judged by their names and the name of their first image. Without an index they may be half of a set. */
async function areOurs(folder: Storage, shards: readonly StoredObject[]): Promise<boolean> {
  const { name, sizeBytes } = shards[0]!;
  if (sizeBytes === 0 || !shards.every((shard) => SHARD_NAME.test(shard.name))) return false;
  const header = await folder.readRange(name, { begin: 0, end: Math.min(sizeBytes, TAR_BLOCK) });
  return /^\d{9}\.\w+\0/.test(Buffer.from(header).toString('latin1'));
}

/** Lists the archives of a location by name; none when it is not a folder. */
async function shardsOf(folder: Storage, signal: AbortSignal | undefined): Promise<readonly StoredObject[]> {
  const { location } = folder;
  const found = isUrl(location) ? await folder.list('', signal) : await inFileTime(archivesIn(location), `shards ${location}`, { signal });
  return found.filter(({ name }) => /^[^/.][^/]*\.tar$/.test(name)).sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Stats only archives: a folder may have millions of other files. */
async function archivesIn(path: string): Promise<StoredObject[]> {
  const entries = await readdir(path, { withFileTypes: true }).catch(() => []);
  const names = entries.filter((entry) => !entry.isDirectory() && entry.name.endsWith('.tar')).map(({ name }) => name);
  return Promise.all(
    names.map(async (name) => {
      const { size, mtime } = await stat(join(path, name));
      return { name, sizeBytes: size, modifiedAt: mtime };
    }),
  );
}

async function addShard(
  index: { readonly shards: PackIndex['shards']; readonly names: string[]; readonly labels: number[] },
  folder: Storage,
  { name: shard, sizeBytes }: StoredObject,
  signal: AbortSignal | undefined,
): Promise<void> {
  const where = `shard ${folder.location}/${shard}`;
  if (!/^[\w-][\w.-]*$/.test(shard))
    throw new MaestroError(
      'data-invalid',
      `${where}: the names of shards may have letters, digits, dots, dashes and underscores; rename it`,
    );
  const blocks = blockHashes();
  const sha256 = createHash('sha256');
  const parts = async function* (): AsyncGenerator<Uint8Array> {
    for (let begin = 0; begin < sizeBytes; begin += CHUNK_BYTES) {
      if (signal?.aborted) throw new MaestroError('cancelled', `reading ${where} was cancelled`);
      const reading = folder.readRange(shard, { begin, end: Math.min(sizeBytes, begin + CHUNK_BYTES) }, signal);
      const part = await (isUrl(folder.location) ? reading : inFileTime(reading, where, { timeoutMs: READ_TIMEOUT_MS, signal }));
      blocks.add(part);
      sha256.update(part);
      yield part;
    }
  };
  const offsets: number[] = [];
  const sizes: number[] = [];
  let key: string | undefined;
  let hasImage = false;
  let label = -1;
  for await (const member of readTar(parts(), {
    where,
    keeps: (name, size) => size <= MOST_CLASS_BYTES && splitName(name).extension === 'cls',
  })) {
    const { stem, extension } = splitName(member.name);
    if (stem !== key) [key, hasImage, label] = [stem, false, -1];
    if (member.content !== undefined) {
      label = classOf(member.content);
      // The class may follow its image.
      if (hasImage) index.labels[index.labels.length - 1] = label;
    } else if (IMAGE_EXTENSIONS.includes(`.${extension}`) && !hasImage) {
      hasImage = true;
      index.names.push(member.name);
      index.labels.push(label);
      offsets.push(member.offset);
      sizes.push(member.sizeBytes);
    }
  }
  index.shards.push({ name: shard, sizeBytes, sha256: sha256.digest('hex'), blocks: blocks.end(), offsets, sizes });
}

/** Splits a name as WebDataset does: at the first dot after the last slash. */
function splitName(name: string): { readonly stem: string; readonly extension: string } {
  const dot = name.indexOf('.', name.lastIndexOf('/') + 1);
  return dot < 0 ? { stem: name, extension: '' } : { stem: name.slice(0, dot), extension: name.slice(dot + 1).toLowerCase() };
}

function classOf(content: Uint8Array): number {
  const text = Buffer.from(content).toString().trim();
  return /^\d+$/.test(text) && Number(text) < MOST_CLASSES ? Number(text) : -1;
}
