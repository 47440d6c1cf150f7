import { readdir, stat } from 'node:fs/promises';
import { type Dataset, IMAGE_EXTENSIONS, INDEX_FILE, openDataset } from '@maestro/data';
import { errorMessage, isMaestroError, MaestroError } from '@maestro/protocol';
import { inFileTime, isUrl, resolveLocation } from '@maestro/storage';

/** Formats as named in a job file. */
export type DatasetFormat = 'idx' | 'image-folder' | 'webdataset';

/** Opens whatever is at a location, by its content. @throws MaestroError `not-found`, `data-invalid`. */
export async function openAnyDataset(
  place: string,
  split: string,
): Promise<{ readonly path: string; readonly format: DatasetFormat; readonly opened: Dataset }> {
  if (split !== 'train' && split !== 'test')
    throw new MaestroError('invalid-argument', `dataset: --split ${split}: expected train or test`);
  const path = resolveLocation(place);
  const format = await formatOf(path);
  return { path, format, opened: await openDataset(format === 'idx' ? { format, path, split } : { format, path }) };
}

async function formatOf(path: string): Promise<DatasetFormat> {
  if (isUrl(path) || path.endsWith('.json')) return 'webdataset';
  try {
    if (!(await inFileTime(stat(path), `dataset ${path}`)).isDirectory()) throw new Error('it is a file; name the folder that contains it');
    const names = await inFileTime(readdir(path), `dataset ${path}`);
    if (names.includes(INDEX_FILE) && (names.length === 1 || names.some((name) => name.endsWith('.tar')))) return 'webdataset';
    const isImage = (name: string): boolean => IMAGE_EXTENSIONS.some((extension) => name.toLowerCase().endsWith(extension));
    // Shards packed by other tools have no index.
    if (names.some((name) => name.endsWith('.tar')) && !names.some(isImage)) return 'webdataset';
    return names.some((name) => /-idx3-ubyte(\.gz)?$/.test(name)) ? 'idx' : 'image-folder';
  } catch (error) {
    if (isMaestroError(error)) throw error;
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    const said = isMissing ? 'no such folder' : errorMessage(error);
    throw new MaestroError('not-found', `dataset: ${path}: ${said}`, { cause: error });
  }
}
