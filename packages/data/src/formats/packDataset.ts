import { extname } from 'node:path';
import { MaestroError } from '@maestro/protocol';
import { abandonUploads, isS3, type Storage, TAR_BLOCK, tarHeader, tarPadding } from '@maestro/storage';
import { BLOCK_BYTES, blockHashes } from '../blocks/blockHashes.ts';
import { decodeImage, encodePng, IMAGE_RULE, reduceImage, withChannels } from '../images/imageCodec.ts';
import { openResampler } from '../images/openResampler.ts';
import type { Resampler } from '../images/resample.ts';
import { mostBroken, tooManyBroken } from '../loader/brokenSamples.ts';
import type { Dataset, Sample } from './dataset.ts';
import { NPY_HEADER_BYTES, npyHeader } from './npy.ts';
import { encodePackIndex, INDEX_FILE, type PackIndex, SHARD_NAME } from './packIndex.ts';

/** Fixed, so that packing the same images again gives the same bytes. */
const MTIME = new Date(0);
/** Number of images decoded concurrently. */
const AT_ONCE = 4;

/** Options of {@link packDataset}. */
export interface PackOptions {
  readonly dataset: Dataset;
  /** An empty location in a folder or object store; the remains of an interrupted call are replaced. */
  readonly to: Storage;
  /** True to replace an existing packed data set. Its index is deleted first, so that it is invalid from the start. Default false. */
  readonly overwrite?: boolean | undefined;
  /** Size at which a shard is closed. */
  readonly shardBytes: number;
  /** The shorter side to which images are decoded into pixels, once; undefined: image files stay as they are. */
  readonly pixels?: { readonly shorterSide: number } | undefined;
  /** Called after each shard. */
  readonly onShard?: (shard: { readonly name: string; readonly samples: number; readonly sizeBytes: number }) => void;
  readonly signal?: AbortSignal;
}

/** Result of {@link packDataset}. */
export interface PackedDataset {
  readonly location: string;
  readonly samples: number;
  readonly shards: number;
  readonly sizeBytes: number;
  readonly broken: PackIndex['broken'];
}

/** One sample's files in a shard, by extension. */
interface Packed {
  readonly files: readonly { readonly extension: string; readonly parts: readonly Uint8Array[] }[];
  readonly width: number;
  readonly height: number;
  readonly broken: string | undefined;
  /** The sample's {@link Dataset.probe} before packing. */
  readonly probe: number;
}

/**
 * Packs a data set into tar archives, with an index. Members are named by the samples' positions (`000000017.jpg`, and `000000017.cls` when
 * it has a class), as WebDataset readers expect. Samples keep their positions, so a job takes them in the same order as from the original.
 * Broken image files are packed as they are; when decoding to pixels, they are listed in the index, and the rule of training applies: more
 * than one in a hundred is refused.
 *
 * @throws MaestroError `data-invalid`, `storage`; `conflict` when the location holds anything else
 */
export async function packDataset({
  dataset,
  to,
  overwrite = false,
  shardBytes,
  pixels,
  onShard,
  signal,
}: PackOptions): Promise<PackedDataset> {
  const { length, classes, channels, source } = dataset;
  if (source.format === 'webdataset' && source.location === to.location)
    throw new MaestroError('conflict', `${to.location} is what is to be packed: name another place for the shards`);
  const left = await clearPlace(to, overwrite, signal);
  const first = await dataset.read(0);
  const isPadded = first.kind === 'pixels' && first.isPadded && pixels !== undefined;
  const index = {
    content: pixels === undefined ? ('encoded' as const) : ('pixels' as const),
    channels,
    isPadded,
    imageRule: pixels === undefined ? undefined : ruleOf(dataset, first),
    classes: [...classes],
    blockBytes: BLOCK_BYTES,
    shards: [] as PackIndex['shards'],
    names: Array.from({ length }, (_, at) => dataset.name(at)),
    labels: Array.from({ length }, (_, at) => dataset.label(at) ?? -1),
    widths: [] as number[],
    heights: [] as number[],
    broken: [] as PackIndex['broken'],
    sourceSizes: [] as number[],
    sourceProbes: [] as number[],
  };
  const samples = packedSamples(dataset, pixels && { ...pixels, resampler: openResampler() });
  let next = await samples.next();
  for (let at = 0; next.done !== true; ) {
    const name = shardName(index.shards.length);
    const offsets: number[] = [];
    const sizes: number[] = [];
    const blocks = blockHashes();
    const bytes = async function* (): AsyncGenerator<Uint8Array> {
      let written = 0;
      const emit = (part: Uint8Array): Uint8Array => {
        written += part.length;
        blocks.add(part);
        return part;
      };
      for (; next.done !== true && written < shardBytes; next = await samples.next(), at++) {
        signal?.throwIfAborted();
        const { files, width, height, broken, probe } = next.value;
        index.sourceSizes.push(dataset.sizeBytes(at));
        index.sourceProbes.push(probe);
        if (broken !== undefined) index.broken.push({ index: at, reason: broken });
        if (index.broken.length > mostBroken(length)) {
          const named = index.broken.map((each) => ({ name: dataset.name(each.index), reason: each.reason }));
          throw tooManyBroken({ broken: named.length, samples: length, named });
        }
        if (pixels !== undefined) {
          index.widths.push(width);
          index.heights.push(height);
        }
        // Offset of the image; the class follows it.
        const skipped = pixels === undefined ? 0 : NPY_HEADER_BYTES;
        const imageBytes = (files[0]?.parts ?? []).reduce((sum, part) => sum + part.length, 0);
        offsets.push(files.length === 0 ? 0 : written + TAR_BLOCK + skipped);
        sizes.push(files.length === 0 ? 0 : imageBytes - skipped);
        for (const { extension, parts } of files) {
          const size = parts.reduce((sum, part) => sum + part.length, 0);
          yield emit(tarHeader(`${String(at).padStart(9, '0')}.${extension}`, size, MTIME));
          for (const part of parts) yield emit(part);
          if (tarPadding(size) > 0) yield emit(new Uint8Array(tarPadding(size)));
        }
      }
      yield emit(new Uint8Array(2 * TAR_BLOCK));
    };
    const { sizeBytes, sha256 } = await to.write(name, bytes(), { signal });
    index.shards.push({ name, sizeBytes, sha256, blocks: blocks.end(), offsets, sizes });
    onShard?.({ name, samples: offsets.length, sizeBytes });
  }
  const names = new Set(index.shards.map(({ name }) => name));
  for (const name of left) if (!names.has(name)) await to.remove(name);
  // The index comes last: whoever sees it finds every shard.
  await to.write(INDEX_FILE, [encodePackIndex(index)], { signal });
  const sizeBytes = index.shards.reduce((sum, shard) => sum + shard.sizeBytes, 0);
  return { location: to.location, samples: length, shards: index.shards.length, sizeBytes, broken: index.broken };
}

/** Returns the rule by which pixels were decoded from files: now, or when the set that is packed again was. */
function ruleOf({ source }: Dataset, { kind }: Sample): number | undefined {
  if (kind === 'encoded') return IMAGE_RULE;
  return source.format === 'webdataset' ? source.imageRule : undefined;
}

const shardName = (at: number): string => `shard-${String(at).padStart(6, '0')}.tar`;

/** Ensures that nothing is lost or mixed. @returns existing shards, which are to be replaced or removed */
async function clearPlace(to: Storage, overwrite: boolean, signal: AbortSignal | undefined): Promise<string[]> {
  const names = (await to.list('', signal)).map(({ name }) => name);
  const abandoned = names.filter((name) => name.startsWith('.writing-'));
  const other = names.find((name) => name !== INDEX_FILE && !SHARD_NAME.test(name) && !abandoned.includes(name));
  if (other !== undefined)
    throw new MaestroError('conflict', `${to.location} is not empty (it has ${other}): name an empty or a new place for the shards`);
  if (names.includes(INDEX_FILE)) {
    if (!overwrite)
      throw new MaestroError(
        'conflict',
        `${to.location} has a packed data set already: name another place, or replace it with --overwrite`,
      );
    await to.remove(INDEX_FILE);
  }
  for (const name of abandoned) await to.remove(name);
  if (isS3(to.location)) await abandonUploads(to.location);
  return names.filter((name) => SHARD_NAME.test(name));
}

/** Settings for decoding image files to pixels. */
interface PixelOptions {
  readonly shorterSide: number;
  readonly resampler: Resampler;
}

/** Yields the samples in order, preparing a few concurrently. */
async function* packedSamples(dataset: Dataset, pixels: PixelOptions | undefined): AsyncGenerator<Packed> {
  const ahead: Promise<Packed>[] = [];
  for (let at = 0; at < dataset.length || ahead.length > 0; ) {
    for (; at < dataset.length && ahead.length < AT_ONCE; at++) {
      const coming = packSample(dataset, at, pixels);
      coming.catch(() => undefined); // thrown when its turn comes
      ahead.push(coming);
    }
    yield await ahead.shift()!;
  }
}

async function packSample(dataset: Dataset, at: number, pixels: PixelOptions | undefined): Promise<Packed> {
  const sample = await dataset.read(at);
  const probe = await dataset.probe(at);
  const label = dataset.label(at);
  const classFile = label === undefined ? [] : [{ extension: 'cls', parts: [Buffer.from(String(label))] }];
  const image = pixels === undefined ? await encoded(sample, dataset.name(at)) : await decoded(sample, pixels, dataset.channels);
  if ('broken' in image) return { files: [], width: 0, height: 0, broken: image.broken, probe };
  return {
    files: [{ extension: image.extension, parts: image.parts }, ...classFile],
    width: image.width,
    height: image.height,
    broken: undefined,
    probe,
  };
}

type ImageFile = { readonly extension: string; readonly parts: readonly Uint8Array[]; readonly width: number; readonly height: number };

async function encoded(sample: Sample, name: string): Promise<ImageFile | { readonly broken: string }> {
  const extent = { width: 0, height: 0 };
  if (sample.kind === 'encoded') return { extension: extname(name).slice(1).toLowerCase() || 'img', parts: [sample.bytes], ...extent };
  if (sample.kind === 'broken') return { broken: sample.reason };
  const { data, width, height, channels } = sample;
  return { extension: 'png', parts: [await encodePng(data, width, height, channels)], ...extent };
}

async function decoded(
  sample: Sample,
  { shorterSide, resampler }: PixelOptions,
  channels: 1 | 3,
): Promise<ImageFile | { readonly broken: string }> {
  if (sample.kind === 'broken') return { broken: sample.reason };
  const image = sample.kind === 'pixels' ? sample : await decodeImage({ bytes: sample.bytes });
  if ('broken' in image) return image;
  const { data, width, height } = sample.kind === 'pixels' ? sample : reduceImage(withChannels(image, channels), shorterSide, resampler);
  return { extension: 'npy', parts: [npyHeader([height, width, channels]), data], width, height };
}
