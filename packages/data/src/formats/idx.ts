import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { gunzip as gunzipWithCallback } from 'node:zlib';
import { errorMessage, isMaestroError, MaestroError } from '@maestro/protocol';
import { inFileTime, openRegularFile, READ_TIMEOUT_MS } from '@maestro/storage';
import { contentHash } from '../loader/contentHash.ts';
import type { Dataset } from './dataset.ts';
import type { IdxSource } from './datasetSource.ts';
import { PROBE_BYTES } from './holdOut.ts';

const gunzip = promisify(gunzipWithCallback);

/** Limits the size of a decompressed file: a small .gz must not fill the memory. */
const MAX_UNPACKED_BYTES = 2 ** 31;
const SPLIT_PREFIXES = { train: ['train'], test: ['t10k', 'test'] } as const;

/**
 * Reads grey images in MNIST's IDX format (yann.lecun.com/exdb/mnist), plain or gzipped, with labels when there is a label file next to
 * them. `path` is a directory (searched for `train-images-idx3-ubyte` and variants) or the image file itself.
 *
 * @throws MaestroError `not-found`, `data-invalid`, `cancelled`.
 */
export async function readIdx(
  { path, split = 'train' }: { readonly path: string; readonly split?: 'train' | 'test' },
  { signal }: { readonly signal?: AbortSignal } = {},
): Promise<IdxSource> {
  const imageFile = await findImageFile(path, split);
  const images = parseIdx(await readMaybeGzipped(imageFile, signal), 3, imageFile);
  const [length, height, width] = images.dims as [number, number, number];
  if (length === 0 || height === 0 || width === 0) {
    throw new MaestroError('data-invalid', `IDX file ${imageFile}: it has no pixels (dimensions ${images.dims.join(' x ')})`);
  }

  const labelFile = await firstExisting(
    withGz(join(dirname(imageFile), basename(imageFile).replace(/\.gz$/, '').replace('images', 'labels').replace('idx3', 'idx1'))),
  );
  const labels =
    labelFile === undefined || labelFile === imageFile ? undefined : parseIdx(await readMaybeGzipped(labelFile, signal), 1, labelFile);
  if (labels !== undefined && labels.dims[0] !== length) {
    throw new MaestroError(
      'data-invalid',
      `IDX file ${labelFile}: ${labels.dims[0]} labels for the ${length} images of ${basename(imageFile)}`,
    );
  }

  const hash = createHash('sha256').update(`idx ${length} ${height} ${width} ${labels === undefined ? 'unlabelled' : 'labelled'}\n`);
  hash.update(images.body);
  if (labels !== undefined) hash.update(labels.body);
  return {
    format: 'idx',
    split,
    length,
    height,
    width,
    pixels: toShared(images.body),
    labels: labels === undefined ? undefined : toShared(labels.body),
    fingerprint: hash.digest('hex'),
  };
}

/** Opens `source` as a data set. */
export function idxDataset(source: IdxSource): Dataset {
  const { length, height, width } = source;
  const size = height * width;
  const pixels = new Uint8Array(source.pixels);
  const labels = source.labels === undefined ? undefined : new Uint8Array(source.labels);
  const classCount = labels === undefined ? 0 : labels.reduce((highest, label) => Math.max(highest, label), 0) + 1;
  return {
    length,
    channels: 1,
    classes: Array.from({ length: classCount }, (_, label) => String(label)),
    fingerprint: source.fingerprint,
    isFingerprintWhole: true,
    source,
    name: (index) => `${source.split}#${index}`,
    sizeBytes: () => size,
    probe: async (index) => contentHash(pixels.subarray(index * size, index * size + Math.min(size, PROBE_BYTES))),
    label: (index) => labels?.[index],
    read: async (index) => ({
      kind: 'pixels',
      data: pixels.subarray(index * size, (index + 1) * size),
      width,
      height,
      channels: 1,
      isPadded: true,
    }),
  };
}

async function findImageFile(path: string, split: 'train' | 'test'): Promise<string> {
  const found = await inFileTime(findIdxImages(path, split), `IDX data set ${path}`).catch((cause: unknown) => {
    if (isMaestroError(cause)) throw cause;
    throw new MaestroError('not-found', `IDX data set: nothing to read at ${path} (${errorMessage(cause)})`, { cause });
  });
  if (found === undefined) {
    const [name] = imageNames(split);
    throw new MaestroError('not-found', `IDX data set: no ${name} or ${name}.gz in ${path} (split '${split}')`);
  }
  return found;
}

const imageNames = (split: 'train' | 'test'): string[] =>
  SPLIT_PREFIXES[split].flatMap((prefix) => [`${prefix}-images-idx3-ubyte`, `${prefix}-images.idx3-ubyte`]);

/**
 * Finds the image file of a split: `path` itself when it is a file; undefined when the folder has none. @throws Error when `path` cannot be
 * inspected.
 */
export async function findIdxImages(path: string, split: 'train' | 'test'): Promise<string | undefined> {
  if (!(await stat(path)).isDirectory()) return path;
  return firstExisting(imageNames(split).flatMap((name) => withGz(join(path, name))));
}

const withGz = (path: string): string[] => [path, `${path}.gz`];

async function firstExisting(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) {
    const isFile = await stat(path).then(
      (found) => found.isFile(),
      () => false,
    );
    if (isFile) return path;
  }
  return undefined;
}

async function readWhole(path: string): Promise<Uint8Array> {
  const file = await openRegularFile(path);
  try {
    return await file.readFile();
  } finally {
    await file.close();
  }
}

async function readMaybeGzipped(file: string, signal: AbortSignal | undefined): Promise<Uint8Array> {
  try {
    const bytes = await inFileTime(readWhole(file), `IDX file ${file}`, { timeoutMs: READ_TIMEOUT_MS, signal });
    return bytes[0] === 0x1f && bytes[1] === 0x8b ? await gunzip(bytes, { maxOutputLength: MAX_UNPACKED_BYTES }) : bytes;
  } catch (cause) {
    if (signal?.aborted) throw new MaestroError('cancelled', `reading ${file} was cancelled`, { cause });
    if (isMaestroError(cause)) throw cause;
    throw new MaestroError('data-invalid', `IDX file ${file}: cannot be read or unpacked (${errorMessage(cause)})`, { cause });
  }
}

/**
 * Parses the dimensions in an IDX header: two zero bytes, type (8 = unsigned byte), number of dimensions, then each dimension as a
 * big-endian uint32. @throws MaestroError `data-invalid`.
 */
export function parseIdxHeader(bytes: Uint8Array, rank: number, file: string): number[] {
  const expected = `00 00 08 0${rank}`;
  const found = Array.from(bytes.subarray(0, 4), (byte) => byte.toString(16).padStart(2, '0')).join(' ');
  if (bytes.length < 4 + 4 * rank || found !== expected) {
    throw new MaestroError(
      'data-invalid',
      `IDX file ${file}: expected it to start with ${expected} (unsigned bytes, ${rank}-D), found ${found}`,
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: rank }, (_, axis) => view.getUint32(4 + 4 * axis));
}

function parseIdx(bytes: Uint8Array, rank: number, file: string): { dims: number[]; body: Uint8Array } {
  const headerBytes = 4 + 4 * rank;
  const dims = parseIdxHeader(bytes, rank, file);
  const bodyBytes = dims.reduce((product, dim) => product * dim, 1);
  if (bytes.length !== headerBytes + bodyBytes) {
    throw new MaestroError(
      'data-invalid',
      `IDX file ${file}: its header (${dims.join(' x ')}) asks for ${headerBytes + bodyBytes} bytes, found ${bytes.length}; is it cut off?`,
    );
  }
  return { dims, body: bytes.subarray(headerBytes) };
}

function toShared(bytes: Uint8Array): SharedArrayBuffer {
  const shared = new SharedArrayBuffer(bytes.length);
  new Uint8Array(shared).set(bytes);
  return shared;
}
