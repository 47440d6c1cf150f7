import { createHash } from 'node:crypto';
import type { Dirent } from 'node:fs';
import { open, readdir, realpath, stat } from 'node:fs/promises';
import { extname, join, sep } from 'node:path';
import { errorMessage, MaestroError } from '@maestro/protocol';
import type { Dataset } from './dataset.ts';
import { IMAGE_EXTENSIONS } from './imageCodec.ts';

/** A larger file is refused when the folder is opened: no image of use is, and each loader thread reads whole files. */
const MAX_FILE_BYTES = 512 * 2 ** 20;
/** How many samples, spread evenly over the set, give their content to the fingerprint, and how much of each. */
const FINGERPRINT_SAMPLES = 64;
const FINGERPRINT_BYTES = 2 ** 20;
/** Files looked at together while listing; hides the latency of network file systems without exhausting descriptors. */
const STAT_CONCURRENCY = 64;

/** A listed image folder. */
export interface ImageFolderSource {
  readonly format: 'image-folder';
  /** Absolute and free of links. */
  readonly root: string;
  /** Paths under `root` with `/` between folders, sorted by UTF-16 code unit. */
  readonly names: readonly string[];
  /** The size of each file in bytes; a file whose size has changed is not the file that was fingerprinted. */
  readonly sizes: readonly number[];
  /** The first folder of the names, sorted; a name's class is its position here. */
  readonly classes: readonly string[];
  readonly fingerprint: string;
}

/**
 * Lists the images under `path`, folders within folders included; hidden files and files that are no images are passed over.
 * A link to a file inside the root counts as that file. A link that leaves the root, or that leads to a folder, is refused.
 *
 * @throws MaestroError `not-found`, `data-invalid` (no image, a refused link, an oversized file), `cancelled`.
 */
export async function scanImageFolder(
  { path }: { readonly path: string },
  { signal }: { readonly signal?: AbortSignal } = {},
): Promise<ImageFolderSource> {
  const root = await realpath(path).catch((cause: unknown) => {
    throw new MaestroError('not-found', `image folder: nothing to read at ${path} (${errorMessage(cause)})`, { cause });
  });
  const names: string[] = [];
  for (const pending = ['']; pending.length > 0; ) {
    if (signal?.aborted) throw new MaestroError('cancelled', `listing ${path} was cancelled`);
    const folder = pending.pop()!;
    for (const entry of await list(join(root, folder))) {
      if (entry.name.startsWith('.')) continue;
      const name = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory()) pending.push(name);
      else if (entry.isSymbolicLink()) {
        if (await isImageInside(root, name)) names.push(name);
      } else if (isImageName(name)) names.push(name);
    }
  }
  if (names.length === 0) {
    throw new MaestroError(
      'data-invalid',
      `image folder ${path}: no image found; files ending in ${IMAGE_EXTENSIONS.join(' ')} are looked for`,
    );
  }
  names.sort();

  const sizes = await sizesOf(root, names, signal);
  const classes = [...new Set(names.flatMap((name) => (name.includes('/') ? [firstFolder(name)] : [])))].sort();
  return {
    format: 'image-folder',
    root,
    names,
    sizes,
    classes,
    fingerprint: await fingerprintOf(root, names, sizes),
  };
}

/** The data set over `source`: labels are the first-level sub-folders; files in the root itself have none. */
export function imageFolderDataset(source: ImageFolderSource): Dataset {
  const { root, names, sizes, classes, fingerprint } = source;
  const labels = new Map(classes.map((name, label) => [name, label]));
  return {
    length: names.length,
    channels: 3,
    classes,
    fingerprint,
    source,
    name: (index) => names[index]!,
    label: (index) => labels.get(firstFolder(names[index]!)),
    read: async (index) => ({
      kind: 'encoded',
      bytes: await readSample(root, names[index]!, sizes[index]!),
    }),
  };
}

const isImageName = (name: string): boolean => IMAGE_EXTENSIONS.includes(extname(name).toLowerCase());

/** The first folder of a name; the name itself, which is no class, for a file in the root. */
const firstFolder = (name: string): string => name.split('/', 1)[0]!;

async function list(folder: string): Promise<Dirent[]> {
  try {
    return await readdir(folder, { withFileTypes: true });
  } catch (cause) {
    throw new MaestroError('data-invalid', `image folder: ${folder} cannot be listed (${errorMessage(cause)})`, { cause });
  }
}

async function isImageInside(root: string, name: string): Promise<boolean> {
  const target = await realpath(join(root, name)).catch((cause: unknown) => {
    throw new MaestroError('data-invalid', `image folder ${root}: the link ${name} leads nowhere (${errorMessage(cause)})`, { cause });
  });
  if (!target.startsWith(root.endsWith(sep) ? root : root + sep)) {
    throw new MaestroError(
      'data-invalid',
      `image folder ${root}: the link ${name} leads out of it, to ${target}; copy the file in or remove the link`,
    );
  }
  if ((await stat(target)).isDirectory()) {
    throw new MaestroError(
      'data-invalid',
      `image folder ${root}: ${name} is a link to a folder, whose images would count twice; remove it`,
    );
  }
  return isImageName(name);
}

async function sizesOf(root: string, names: readonly string[], signal: AbortSignal | undefined): Promise<number[]> {
  const sizes = new Array<number>(names.length);
  for (let first = 0; first < names.length; first += STAT_CONCURRENCY) {
    if (signal?.aborted) throw new MaestroError('cancelled', `listing ${root} was cancelled`);
    const group = names.slice(first, first + STAT_CONCURRENCY);
    const found = await Promise.all(group.map(async (name) => (await stat(join(root, name))).size));
    for (const [i, size] of found.entries()) {
      if (size > MAX_FILE_BYTES) {
        throw new MaestroError(
          'data-invalid',
          `image folder ${root}: ${group[i]} has ${size} bytes, more than the ${MAX_FILE_BYTES} allowed`,
        );
      }
      sizes[first + i] = size;
    }
  }
  return sizes;
}

async function fingerprintOf(root: string, names: readonly string[], sizes: readonly number[]): Promise<string> {
  const hash = createHash('sha256').update(`image-folder ${names.length}\n`);
  for (let i = 0; i < names.length; i++) hash.update(`${names[i]}\0${sizes[i]}\n`);
  const samples = Math.min(FINGERPRINT_SAMPLES, names.length);
  for (let k = 0; k < samples; k++) {
    const index = Math.floor((k * names.length) / samples);
    hash.update((await readSample(root, names[index]!, sizes[index]!)).subarray(0, FINGERPRINT_BYTES));
  }
  return hash.digest('hex');
}

/**
 * The file's bytes. A file that cannot be read now, or has another size than it had, is an error and no broken image: other workers
 * may see it well, and skipping it here alone would change the weights.
 */
async function readSample(root: string, name: string, sizeBytes: number): Promise<Uint8Array> {
  let found: number;
  const bytes = Buffer.allocUnsafe(sizeBytes + 1);
  try {
    const file = await open(join(root, name), 'r');
    try {
      found = 0;
      for (let read = -1; read !== 0 && found <= sizeBytes; found += read) {
        read = (await file.read(bytes, found, bytes.length - found, found)).bytesRead;
      }
    } finally {
      await file.close();
    }
  } catch (cause) {
    throw new MaestroError('data-invalid', `image folder ${root}: ${name} cannot be read (${errorMessage(cause)})`, { cause });
  }
  if (found !== sizeBytes) {
    throw new MaestroError(
      'data-invalid',
      `image folder ${root}: ${name} had ${sizeBytes} bytes when the job started and has changed since`,
    );
  }
  return bytes.subarray(0, sizeBytes);
}
