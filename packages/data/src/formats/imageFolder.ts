import { createHash } from 'node:crypto';
import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { errorMessage, isMaestroError, MaestroError } from '@maestro/protocol';
import { type FileDeadline, inFileTime, openRegularFile, READ_TIMEOUT_MS } from '@maestro/storage';
import { IMAGE_EXTENSIONS } from '../images/imageCodec.ts';
import { contentHash } from '../loader/contentHash.ts';
import type { Dataset } from './dataset.ts';
import type { ImageFolderSource } from './datasetSource.ts';
import { filePath, nameBytes } from './fileName.ts';
import { PROBE_BYTES } from './holdOut.ts';
import { listImages } from './listImages.ts';

/** Number of samples, spread evenly over the set, whose content enters the fingerprint, and the bytes taken of each. */
const FINGERPRINT_SAMPLES = 64;
const FINGERPRINT_BYTES = 2 ** 20;
/** Characters of names that are hashed at once: a call for each of a million names takes seconds. */
const HASHED_CHARACTERS = 2 ** 16;

/**
 * Lists the images under `path`: see {@link listImages}.
 *
 * @throws MaestroError `not-found`, `data-invalid` (no image, a refused link, an oversized file), `storage` (the file system does not
 * answer), `cancelled`.
 */
export async function scanImageFolder({ path }: { readonly path: string }, deadline: FileDeadline = {}): Promise<ImageFolderSource> {
  const root = await inFileTime(realpath(path), `image folder ${path}`, deadline).catch((cause: unknown) => {
    if (isMaestroError(cause)) throw cause;
    throw new MaestroError('not-found', `image folder: nothing to read at ${path} (${errorMessage(cause)})`, { cause });
  });
  const { names, sizes } = await listImages(root, deadline);
  if (names.length === 0) {
    throw new MaestroError('data-invalid', `image folder ${path}: no image found; expected files ending in ${IMAGE_EXTENSIONS.join(' ')}`);
  }
  const classes = [...new Set(names.flatMap((name) => (name.includes('/') ? [firstFolder(name)] : [])))].sort();
  return {
    format: 'image-folder',
    root,
    names,
    sizes,
    classes,
    fingerprint: await fingerprintOf(root, names, sizes, deadline),
  };
}

/** Opens `source` as a data set: labels are the first-level sub-folders; files in the root itself have none. */
export function imageFolderDataset(source: ImageFolderSource): Dataset {
  const { root, names, sizes, classes, fingerprint } = source;
  const labels = new Map(classes.map((name, label) => [name, label]));
  return {
    length: names.length,
    channels: 3,
    classes,
    fingerprint,
    isFingerprintWhole: false,
    source,
    name: (index) => names[index]!,
    sizeBytes: (index) => sizes[index]!,
    probe: async (index) => contentHash(await readSample(root, names[index]!, sizes[index]!, PROBE_BYTES)),
    label: (index) => labels.get(firstFolder(names[index]!)),
    read: async (index) => ({
      kind: 'encoded',
      bytes: await readSample(root, names[index]!, sizes[index]!),
    }),
  };
}

/** Returns the first folder of a name; for a file in the root the name itself, which is not a class. */
const firstFolder = (name: string): string => name.split('/', 1)[0]!;

async function fingerprintOf(root: string, names: readonly string[], sizes: readonly number[], deadline: FileDeadline): Promise<string> {
  const hash = createHash('sha256').update(`image-folder ${names.length}\n`);
  let text = '';
  for (let i = 0; i < names.length; i++) {
    text += `${names[i]}\0${sizes[i]}\n`;
    if (text.length < HASHED_CHARACTERS && i < names.length - 1) continue;
    hash.update(nameBytes(text));
    text = '';
  }
  const samples = Math.min(FINGERPRINT_SAMPLES, names.length);
  for (let k = 0; k < samples; k++) {
    const index = Math.floor((k * names.length) / samples);
    hash.update(
      (await inFileTime(readSample(root, names[index]!, sizes[index]!), `image folder ${root}: ${names[index]}`, deadline)).subarray(
        0,
        FINGERPRINT_BYTES,
      ),
    );
  }
  return hash.digest('hex');
}

/**
 * Reads the file's bytes, or the first `most` of them. A file that cannot be read now, or whose size has changed, is an error and not a
 * broken image: other workers may read it correctly, and skipping it only here would change the weights.
 */
function readSample(root: string, name: string, sizeBytes: number, most = Number.POSITIVE_INFINITY): Promise<Uint8Array> {
  return inFileTime(readFile(root, name, sizeBytes, most), `image folder ${root}: ${name}`, { timeoutMs: READ_TIMEOUT_MS });
}

async function readFile(root: string, name: string, sizeBytes: number, most: number): Promise<Uint8Array> {
  let found: number;
  const bytes = Buffer.allocUnsafe(Math.min(sizeBytes + 1, most));
  try {
    const file = await openRegularFile(filePath(join(root, name)));
    try {
      found = 0;
      for (let read = -1; read !== 0 && found < bytes.length; found += read) {
        read = (await file.read(bytes, found, bytes.length - found, found)).bytesRead;
      }
    } finally {
      await file.close();
    }
  } catch (cause) {
    throw new MaestroError('data-invalid', `image folder ${root}: ${name} cannot be read (${errorMessage(cause)})`, { cause });
  }
  if (found !== Math.min(sizeBytes, most)) {
    throw new MaestroError(
      'data-invalid',
      `image folder ${root}: ${name} had ${sizeBytes} bytes when the job started, and has changed since then`,
    );
  }
  return bytes.subarray(0, found);
}
