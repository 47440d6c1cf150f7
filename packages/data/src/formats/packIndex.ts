import { createHash } from 'node:crypto';
import { MaestroError } from '@maestro/protocol';
import { z } from 'zod';

/** The name of the index beside the shards. It is written last: shards without it are no data set. */
export const INDEX_FILE = 'index.json';

/** What `packDataset` names shards. */
export const SHARD_NAME: RegExp = /^shard-\d{6,}\.tar$/;

const FORMAT = 'maestro-webdataset';
/** Version 2 tells what images were before they were packed. */
const VERSION = 2;

const count = z.int().nonnegative();
const counts = z.array(count);
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const shard = z.strictObject({
  /** Beside the index, and nowhere else. */
  name: z.string().regex(/^[\w-][\w.-]*$/, 'expected a plain file name'),
  sizeBytes: count,
  sha256,
  /** SHA-256 of each `blockBytes` of the shard in turn: what a part of it is checked by. */
  blocks: z.array(sha256),
  /** Of each sample: where its image begins in the shard, and how many bytes it has. A broken sample has none. */
  offsets: counts,
  sizes: counts,
});
const schema = z.strictObject({
  format: z.literal(FORMAT),
  version: z.literal([1, VERSION]),
  /** Image files as they were, or pixels: one byte a value, row by row, after the header of a NumPy file. */
  content: z.enum(['encoded', 'pixels']),
  channels: z.literal([1, 3]),
  /** Of pixels: whether images smaller than a model's are centred on black, as those of IDX files are, instead of being enlarged. */
  isPadded: z.boolean(),
  /** Of pixels: the rule by which they were decoded from files (`IMAGE_RULE`); missing where it is not known. */
  imageRule: z.int().positive().optional(),
  classes: z.array(z.string()),
  blockBytes: count.min(4096),
  shards: z.array(shard).min(1),
  /** Of each sample over all shards. -1 is no class. */
  names: z.array(z.string()),
  labels: z.array(z.int().min(-1)),
  /** Of pixels. */
  widths: counts,
  heights: counts,
  /** Images that could not be decoded into pixels, by their place: they keep it, so that all others do. */
  broken: z.array(z.strictObject({ index: count, reason: z.string() })),
  /**
   * Of each sample, what it was before it was packed: its size in bytes, and a content hash of its beginning. By these samples are held
   * out.
   */
  sourceSizes: counts.optional(),
  sourceProbes: counts.optional(),
});

/** What a packed data set consists of. */
export type PackIndex = Omit<z.infer<typeof schema>, 'format' | 'version'>;

/** The text of an index: the same bytes for the same data set. */
export function encodePackIndex(index: PackIndex): Buffer {
  return Buffer.from(`${JSON.stringify({ format: FORMAT, version: VERSION, ...index })}\n`);
}

/**
 * Reads an index, and trusts nothing in it.
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
