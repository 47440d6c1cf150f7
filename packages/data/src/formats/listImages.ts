import { type Dirent, stat as statByCallback } from 'node:fs';
import { readdir, realpath, stat } from 'node:fs/promises';
import { extname, join, sep } from 'node:path';
import { errorMessage, MaestroError } from '@maestro/protocol';
import { type FileDeadline, inFileTime } from '@maestro/storage';
import { IMAGE_EXTENSIONS } from '../images/imageCodec.ts';
import { filePath, nameOfBytes } from './fileName.ts';

/** A larger file is refused when the folder is opened: no useful image is that large, and each loader thread reads whole files. */
const MAX_FILE_BYTES = 512 * 2 ** 20;
/** Number of files inspected concurrently while listing; hides the latency of network file systems without exhausting descriptors. */
const STAT_CONCURRENCY = 64;
/** Folders reserved by systems: thumbnails and recycle bins of network storage, Windows, macOS and ext4. */
export const SYSTEM_FOLDERS: ReadonlySet<string> = new Set([
  '@eaDir',
  '@Recycle',
  '@Recently-Snapshot',
  '#recycle',
  '#snapshot',
  '$RECYCLE.BIN',
  'System Volume Information',
  '__MACOSX',
  'lost+found',
]);

/** Images found in a folder. */
export interface ListedImages {
  /** Paths under the root with `/` between folders, sorted by UTF-16 code unit. */
  readonly names: readonly string[];
  /** Size of each file in bytes. */
  readonly sizes: readonly number[];
}

/**
 * Lists the images under `root` (absolute, without links), including nested folders. Skips hidden files and folders, system folders, files
 * without an image extension, anything that is not a regular file, and files that disappear while the list is made. A link to a file inside
 * the root counts as that file; an image link that leaves the root or dangles, and any link to a folder, is refused.
 *
 * @throws MaestroError `data-invalid` (a refused link, an oversized file, a folder that cannot be listed), `storage` (no answer in time),
 * `cancelled`.
 */
export async function listImages(root: string, deadline: FileDeadline = {}): Promise<ListedImages> {
  const { signal } = deadline;
  const inTime = <T>(work: Promise<T>, name: string): Promise<T> => inFileTime(work, `image folder ${join(root, name)}`, deadline);
  const cancelled = (): MaestroError => new MaestroError('cancelled', `listing ${root} was cancelled`);
  const names: string[] = [];
  for (const pending = ['']; pending.length > 0; ) {
    if (signal?.aborted) throw cancelled();
    const folder = pending.pop()!;
    for (const entry of await inTime(list(root, folder), folder)) {
      if (entry.name.startsWith('.')) continue;
      const name = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory()) {
        if (!SYSTEM_FOLDERS.has(entry.name)) pending.push(name);
      } else if (entry.isSymbolicLink()) {
        if (await inTime(isImageInside(root, name), name)) names.push(name);
      } else if (entry.isFile() && isImageName(name)) names.push(name);
    }
  }
  names.sort();

  const there: string[] = [];
  const sizes: number[] = [];
  for (let first = 0; first < names.length; first += STAT_CONCURRENCY) {
    if (signal?.aborted) throw cancelled();
    const group = names.slice(first, first + STAT_CONCURRENCY);
    const found = await inTime(sizesOf(root, group), group[0]!);
    for (const [i, size] of found.entries()) {
      if (size === undefined) continue;
      const name = group[i]!;
      if (size > MAX_FILE_BYTES) throw refusal(root, `${name} has ${size} bytes, more than the ${MAX_FILE_BYTES} allowed`);
      there.push(name);
      sizes.push(size);
    }
  }
  return { names: there, sizes };
}

const isImageName = (name: string): boolean => IMAGE_EXTENSIONS.includes(extname(name).toLowerCase());

const isGone = (error: unknown): boolean => ['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '');

const refusal = (root: string, why: string, cause?: unknown): MaestroError =>
  new MaestroError('data-invalid', `image folder ${root}: ${why}`, { cause });

type Entry = Pick<Dirent, 'name' | 'isDirectory' | 'isFile' | 'isSymbolicLink'>;

async function list(root: string, folder: string): Promise<readonly Entry[]> {
  const path = filePath(join(root, folder));
  try {
    const entries = await readdir(path, { withFileTypes: true });
    if (!entries.some(({ name }) => name.includes('\ufffd'))) return entries;
    // Some name may not be UTF-8: list again, as bytes.
    return (await readdir(path, { withFileTypes: true, encoding: 'buffer' })).map((entry) => ({
      name: nameOfBytes(entry.name),
      isDirectory: () => entry.isDirectory(),
      isFile: () => entry.isFile(),
      isSymbolicLink: () => entry.isSymbolicLink(),
    }));
  } catch (cause) {
    if (folder !== '' && isGone(cause)) return [];
    throw new MaestroError('data-invalid', `image folder: ${join(root, folder)} cannot be listed (${errorMessage(cause)})`, { cause });
  }
}

async function isImageInside(root: string, name: string): Promise<boolean> {
  const isImage = isImageName(name);
  const path = filePath(join(root, name));
  let kind: Awaited<ReturnType<typeof stat>>;
  let target: string;
  try {
    target = nameOfBytes(await realpath(path, { encoding: 'buffer' }));
    kind = await stat(path);
  } catch (cause) {
    if (!isImage) return false;
    throw refusal(root, `the link ${name} leads nowhere (${errorMessage(cause)})`, cause);
  }
  if (kind.isDirectory()) throw refusal(root, `${name} is a link to a folder, whose images would count twice; remove it`);
  if (!isImage || !kind.isFile()) return false;
  if (!target.startsWith(root.endsWith(sep) ? root : root + sep))
    throw refusal(root, `the link ${name} leads out of it, to ${target}; copy the file in or remove the link`);
  return true;
}

/**
 * Returns the sizes of files; undefined for one that is gone, or no longer a regular file. A folder may have a million of them, and the calls
 * of node:fs/promises take three times the processor time.
 */
function sizesOf(root: string, names: readonly string[]): Promise<readonly (number | undefined)[]> {
  const prefix = root.endsWith(sep) ? root : root + sep;
  const sizes: (number | undefined)[] = names.map(() => undefined);
  let left = names.length;
  return new Promise((resolve, reject) => {
    for (const [i, name] of names.entries()) {
      statByCallback(filePath(prefix + name), (cause, found) => {
        if (cause === null) sizes[i] = found.isFile() ? found.size : undefined;
        else if (!isGone(cause)) reject(refusal(root, `${name} cannot be read (${errorMessage(cause)})`, cause));
        left--;
        if (left === 0) resolve(sizes);
      });
    }
  });
}
