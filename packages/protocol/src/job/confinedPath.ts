import { realpath } from 'node:fs/promises';
import { dirname, isAbsolute, relative, resolve, sep } from 'node:path';
import { MaestroError } from '../errors.ts';
import { type JobSpec, jobData } from './jobSpec.ts';

/** Folders and addresses that a job's paths must lie in; undefined: no restriction. */
export type PathRoots = readonly string[] | undefined;

/** Matches an address with its port, whose colons do not separate the list; otherwise a path. */
const ROOT = /(?:https?|s3):\/\/(?:\[[^\]]*\]|[^:/]*)(?::\d+)?(?:\/[^:]*)?|[^:]+/g;

/**
 * Parses `MAESTRO_DATA_ROOTS`: folders and addresses (`s3://bucket/prefix`, `https://host/path`) separated by colons. `always` are roots as
 * well. When not set, any path is allowed.
 */
export function readRoots(text: string | undefined, always: readonly string[]): PathRoots {
  if (text === undefined || text.trim() === '') return undefined;
  return [...(text.match(ROOT) ?? []), ...always].map((part) => (isAddress(part) ? part : resolve(part)));
}

/**
 * Refuses a job whose data or checkpoint lies outside the roots, also via `..` or a symbolic link. A path that does not exist here is
 * judged by its existing part; an address by scheme, host, port and whole path segments.
 *
 * @throws MaestroError `permission-denied` that names the roots.
 */
export async function requireConfined(spec: JobSpec, roots: PathRoots): Promise<void> {
  if (roots === undefined) return;
  for (const { place, data } of jobData(spec)) await requireInside([...place, 'path'].join('.'), data.path, roots);
  for (const key of ['location', 'resumeFrom'] as const) {
    const path = spec.checkpoint[key];
    if (path !== undefined) await requireInside(`checkpoint.${key}`, path, roots);
  }
}

/** Refuses a path outside the roots like {@link requireConfined}; `what` names its key. @throws MaestroError `permission-denied`. */
export async function requireInside(what: string, path: string, roots: PathRoots): Promise<void> {
  if (roots === undefined) return;
  const isAllowed = isAddress(path) ? roots.some((root) => isAddress(root) && isBelow(root, path)) : await isInFolders(path, roots);
  if (isAllowed) return;
  throw new MaestroError('permission-denied', `${what}: ${path} is outside the locations that jobs may use: ${roots.join(', ')}`);
}

const isAddress = (path: string): boolean => /^[a-z][a-z0-9+.-]*:\/\//i.test(path);

/** Compares addresses as they are requested: with `..`, in any spelling, resolved. */
function isBelow(root: string, address: string): boolean {
  if (!URL.canParse(root) || !URL.canParse(address) || /%2f|%5c|\\/i.test(address)) return false;
  const [allowed, asked] = [new URL(root), new URL(address)];
  const isSamePlace = allowed.protocol === asked.protocol && allowed.host === asked.host;
  const hasMore = asked.username !== '' || asked.password !== '' || asked.search !== '' || asked.hash !== '';
  const base = allowed.pathname.replace(/\/+$/, '');
  return isSamePlace && !hasMore && (asked.pathname === base || asked.pathname.startsWith(`${base}/`));
}

async function isInFolders(path: string, roots: readonly string[]): Promise<boolean> {
  if (path.split(/[\\/]/).includes('..') || path.includes('\0')) return false;
  const found = await realPart(resolve(path));
  const realRoots = await Promise.all(roots.filter((root) => !isAddress(root)).map(realPart));
  return realRoots.some((root) => isInside(root, found));
}

/** Resolves every link of the path, as far down as it exists. */
async function realPart(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // A path that cannot be inspected is not a place for data.
    if (code !== 'ENOENT' || dirname(path) === path) return path;
    return resolve(await realPart(dirname(path)), path.slice(path.lastIndexOf(sep) + 1));
  }
}

function isInside(root: string, path: string): boolean {
  const way = relative(root, path);
  return way === '' || (way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way));
}
