import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openDataset, packDataset } from '@maestro/data';
import { openStorage } from '@maestro/storage';
import { writeBlobs } from '../support/cluster/blobs.ts';

/** What {@link packFixture} packs, by name. */
export const PACKED_SETS = ['files', 'pixels'] as const;

const FILES = 23;
/** Small, so that there are several shards. */
const SHARD_BYTES = 20_000;

/**
 * Packs two data sets below `dir`, the same bytes each time: `files`, whose images are bytes by a formula (packing does not decode them),
 * some without a class, and `pixels`, decoded ones.
 */
export async function packFixture(dir: string): Promise<void> {
  const images = join(dir, 'images');
  for (const kind of ['birds', 'cats and dogs']) await mkdir(join(images, kind), { recursive: true });
  for (let n = 0; n < FILES; n++) {
    const bytes = Uint8Array.from({ length: 500 + 211 * n }, (_, i) => (i * (n + 3) + (i >> 5)) & 255);
    const folder = n % 5 === 0 ? '' : n % 2 === 0 ? 'birds' : 'cats and dogs';
    await writeFile(join(images, folder, `${n}.${n % 3 === 0 ? 'JPEG' : 'png'}`), bytes);
  }
  const files = await openDataset({ format: 'image-folder', path: images });
  await packDataset({ dataset: files, to: openStorage(join(dir, 'files')), shardBytes: SHARD_BYTES });
  const blobs = await openDataset({ format: 'idx', path: await writeBlobs(join(dir, 'blobs'), { count: 30 }) });
  await packDataset({ dataset: blobs, to: openStorage(join(dir, 'pixels')), shardBytes: SHARD_BYTES, pixels: { shorterSide: 16 } });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await packFixture(process.argv[2]!);
