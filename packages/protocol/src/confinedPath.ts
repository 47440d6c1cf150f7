import { realpath } from 'node:fs/promises';
import { dirname, isAbsolute, relative, resolve, sep } from 'node:path';
import { MaestroError } from './errors.ts';
import type { JobSpec } from './jobSpec.ts';

/** Folders that a job's paths must lie in; undefined when any will do. */
export type PathRoots = readonly string[] | undefined;

/** Reads `MAESTRO_DATA_ROOTS`: folders with colons between. The data folder is always one of them. Not set: any path. */
export function readRoots(text: string | undefined, dataDir: string): PathRoots {
  if (text === undefined || text.trim() === '') return undefined;
  return [...text.split(':').filter((part) => part !== ''), dataDir].map((part) => resolve(part));
}

/**
 * Refuses a job whose data or checkpoint lies outside the roots, also by way of `..` or a symbolic link. A path that does not exist here is judged by
 * the part of it that does.
 *
 * @throws MaestroError `permission-denied` that names the roots.
 */
export async function requireConfined({ data, checkpoint, knn }: JobSpec, roots: PathRoots): Promise<void> {
  if (roots === undefined) return;
  await requireInside('data.path', data.path, roots);
  if (knn?.test !== undefined) await requireInside('knn.test.path', knn.test.path, roots);
  if (checkpoint.resumeFrom !== undefined) await requireInside('checkpoint.resumeFrom', checkpoint.resumeFrom, roots);
}

async function requireInside(what: string, path: string, roots: readonly string[]): Promise<void> {
  const realRoots = await Promise.all(roots.map(realPart));
  const hasDots = path.split(/[\\/]/).includes('..');
  const found = hasDots || path.includes('\0') ? undefined : await realPart(resolve(path));
  if (found !== undefined && realRoots.some((root) => isInside(root, found))) return;
  throw new MaestroError('permission-denied', `${what}: ${path} is outside the folders that jobs may use: ${roots.join(', ')}`);
}

/** The path with every link resolved, as far down as it exists. */
async function realPart(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // Whatever cannot be looked at is no place for data.
    if (code !== 'ENOENT' || dirname(path) === path) return path;
    return resolve(await realPart(dirname(path)), path.slice(path.lastIndexOf(sep) + 1));
  }
}

function isInside(root: string, path: string): boolean {
  const way = relative(root, path);
  return way === '' || (way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way));
}
