import { createHash } from 'node:crypto';
import { MaestroError } from '@maestro/protocol';
import { z } from 'zod';

/** Name of the index next to the shards. It is written last: shards without it are not a data set. */
export const INDEX_FILE = 'index.json';

/** Shard names as `packDataset` writes them. */
export const SHARD_NAME: RegExp = /^shard-\d{6,}\.tar$/;

const FORMAT = 'maestro-webdataset';
/** Version 2 adds the size and probe of images before packing. */
const VERSION = 2;

const count = z.int().nonnegative();
const counts = z.array(count);
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const shard = z.strictObject({
  /** A plain file name: shards lie next to the index and nowhere else. */
  name: z.string().regex(/^[\w-][\w.-]*$/, 'expected a plain file name'),
  sizeBytes: count,
  sha256,
  /** SHA-256 of each `blockBytes` of the shard in order, by which parts of it are verified. */
  blocks: z.array(sha256),
  /** For each sample: the offset of its image in the shard, and its size in bytes. A broken sample has size 0. */
  offsets: counts,
  sizes: counts,
});
const schema = z.strictObject({
  format: z.literal(FORMAT),
  version: z.literal([1, VERSION]),
  /** Original image files, or pixels: one byte per value, row by row, after a NumPy header. */
  content: z.enum(['encoded', 'pixels']),
  channels: z.literal([1, 3]),
  /** For pixels: true when images smaller than the model's are centred on black, like those of IDX files, instead of being enlarged. */
  isPadded: z.boolean(),
  /** For pixels: the rule by which they were decoded from files (`IMAGE_RULE`); missing when unknown. */
  imageRule: z.int().positive().optional(),
  classes: z.array(z.string()),
  blockBytes: count.min(4096),
  shards: z.array(shard).min(1),
  /** For each sample over all shards. -1 means no class. */
  names: z.array(z.string()),
  labels: z.array(z.int().min(-1)),
  /** For pixels. */
  widths: counts,
  heights: counts,
  /** Images that could not be decoded into pixels, by position: they keep it, so that all others do. */
  broken: z.array(z.strictObject({ index: count, reason: z.string() })),
  /**
   * For each sample, its image before packing: size in bytes, and a content hash of its beginning. The choice of held-out samples is based
   * on these.
   */
  sourceSizes: counts.optional(),
  sourceProbes: counts.optional(),
});

/** Content of a packed data set's index. */
export type PackIndex = Omit<z.infer<typeof schema>, 'format' | 'version'>;

/** Encodes an index: equal data sets give equal bytes. */
export function encodePackIndex(index: PackIndex): Buffer {
  return Buffer.from(`${JSON.stringify({ format: FORMAT, version: VERSION, ...index })}\n`);
}

/**
 * Parses and validates an untrusted index.
 * @throws MaestroError `data-invalid` that says what is wrong
 */
export function parsePackIndex(bytes: Uint8Array, where: string): PackIndex & { readonly fingerprint: string } {
  const refuse = (why: string): MaestroError => new MaestroError('data-invalid', `packed data set ${where}: its index ${why}`);
  let json: unknown;
  try {
    json = JSON.parse(Buffer.from(bytes).toString());
  } catch {
    throw refuse('is not JSON; `maestro dataset pack` writes one');
  }
  const { version, format } = (typeof json === 'object' && json !== null ? json : {}) as Record<string, unknown>;
  if (format !== FORMAT) throw refuse(`is of another kind, expected format ${FORMAT}; \`maestro dataset pack\` writes one`);
  if (typeof version === 'number' && version > VERSION)
    throw refuse(`has version ${version}, this build reads ${VERSION}: use a newer maestro`);
  const parsed = schema.safeParse(json);
  if (!parsed.success) throw refuse(`is malformed: ${z.prettifyError(parsed.error).split('\n').slice(0, 4).join(' ')}`);
  const { format: _format, version: _version, ...index } = parsed.data;
  const { shards, names, labels, widths, heights, content, blockBytes, classes, sourceSizes, sourceProbes } = index;
  const samples = shards.reduce((sum, { offsets }) => sum + offsets.length, 0);
  const isWhole =
    samples > 0 &&
    [names, labels, sourceSizes ?? names, sourceProbes ?? names].every(({ length }) => length === samples) &&
    (content === 'encoded' || [widths, heights].every(({ length }) => length === samples)) &&
    labels.every((label) => label < classes.length) &&
    shards.every(
      ({ offsets, sizes, blocks, sizeBytes }) =>
        sizes.length === offsets.length &&
        blocks.length === Math.ceil(sizeBytes / blockBytes) &&
        offsets.every((offset, at) => offset + sizes[at]! <= sizeBytes),
    );
  if (!isWhole) throw refuse('contradicts itself: its lists do not fit each other');
  return { ...index, fingerprint: createHash('sha256').update(bytes).digest('hex') };
}
