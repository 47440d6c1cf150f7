import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { changedAt, errorMessage, isHomeRelative, MaestroError, nearest, recipeInfos, requireShallow } from '@maestro/protocol';
import { resolveLocation } from '@maestro/storage';
import { parse } from 'yaml';

/** A job file as written, not validated yet. */
export type JobFile = Record<string, unknown>;

/**
 * Reads a job file, YAML or JSON. Relative data and checkpoint paths are resolved against the working folder.
 * @throws MaestroError `not-found`, or `invalid-argument` with line and column when it is not YAML.
 */
export async function readJobFile(path: string): Promise<JobFile> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    const near = nearest(basename(path), await readdir(dirname(path)).catch(() => []));
    const hint = near === undefined ? '' : `; did you mean ${join(dirname(path), near)}?`;
    const { code } = error as NodeJS.ErrnoException;
    const problem =
      code === 'ENOENT'
        ? `no such file${hint}`
        : code === 'EISDIR'
          ? 'it is a folder; name the job file inside it'
          : `it cannot be read: ${errorMessage(error)}`;
    throw new MaestroError('not-found', `job file ${path}: ${problem}`, { cause: error });
  }
  try {
    requireShallow(text, 'job');
    const parsed: unknown = parse(text);
    if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) throw new Error('expected a mapping of keys');
    requireFinite(parsed, []);
    return parsed as JobFile;
  } catch (error) {
    if ((error as { readonly code?: unknown }).code === 'MULTIPLE_DOCS') {
      throw new MaestroError(
        'invalid-argument',
        `job file ${path}: it has more than one YAML document (separated by ---); use one file per job`,
      );
    }
    throw new MaestroError('invalid-argument', `job file ${path}: ${withExcerpt(error)}`, { cause: error });
  }
}

/** Formats the error, with the affected line of the file and a mark below the position. */
function withExcerpt(error: unknown): string {
  const [what, ...excerpt] = errorMessage(error).trimEnd().split('\n');
  const lines = excerpt.filter((line) => line !== '').map((line) => `  ${line.replaceAll('\t', ' ')}`);
  return [what!.replace(/:$/, ''), ...lines].join('\n');
}

/** Refuses numbers that JSON, in which a job is sent to the coordinator, would turn into null. */
function requireFinite(value: unknown, keys: readonly string[]): void {
  if (typeof value === 'number' && !Number.isFinite(value))
    throw new MaestroError('invalid-argument', `${keys.join('.')}: expected a number, found ${value} (.nan, .inf, or too large)`);
  if (typeof value !== 'object' || value === null) return;
  for (const [key, inner] of Object.entries(value)) requireFinite(inner, [...keys, key]);
}

/**
 * Sets `key=value` pairs in a job file; keys are dotted paths, values are parsed as YAML (`schedule.epochs=3`).
 * @throws MaestroError `invalid-argument` when a pair has no `=`, or a path leads through a value.
 */
export function setKeys(file: JobFile, pairs: readonly string[]): JobFile {
  const result = structuredClone(file);
  for (const pair of pairs) {
    const at = pair.indexOf('=');
    if (at < 1) throw new MaestroError('invalid-argument', `--set ${pair}: expected key=value, such as schedule.epochs=3`);
    const path = pair.slice(0, at).split('.');
    const last = path.pop()!;
    let node: JobFile = result;
    for (const key of path) {
      const inner = own(node, key) ?? {};
      if (typeof inner !== 'object') throw new MaestroError('invalid-argument', `--set ${pair}: ${key} is a value, not a section`);
      put(node, key, inner);
      node = inner as JobFile;
    }
    try {
      requireShallow(pair, '--set');
      put(node, last, parse(pair.slice(at + 1)));
    } catch (error) {
      throw new MaestroError('invalid-argument', `--set ${pair}: the value is not valid YAML: ${withExcerpt(error)}`, { cause: error });
    }
    requireFinite(own(node, last), [pair.slice(0, at)]);
  }
  return result;
}

/** Returns a key of the file itself: `constructor` and `__proto__` are names like any other, which the schema refuses. */
const own = (node: JobFile, key: string): unknown => (Object.hasOwn(node, key) ? node[key] : undefined);

function put(node: JobFile, key: string, value: unknown): void {
  Object.defineProperty(node, key, { value, enumerable: true, configurable: true, writable: true });
}

/** Makes the paths in a job file absolute, for workers elsewhere on this machine. */
export function withAbsolutePaths(file: JobFile): JobFile {
  const sets = [['data'], ...recipeInfos().flatMap(({ dataPlaces }) => dataPlaces)].map((place) => [...place, 'path']);
  const places = [...sets, ['checkpoint', 'location'], ['checkpoint', 'resumeFrom']];
  return places.reduce((whole, place) => changedAt(whole, place, (path) => (typeof path === 'string' ? absolute(path) : path)), file);
}

/** A path with `~` stays as it is, so that validation can report that only a shell expands it. */
const absolute = (place: string): string => (isHomeRelative(place) ? place : resolveLocation(place));
