import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { dirname, relative, resolve } from 'node:path';

/** `from './x.js'`, `import './x.js'`, `import('./x.js')`. */
const RELATIVE_IMPORT = /(?:\bfrom|\bimport)\s*\(?\s*(['"])(\.{1,2}\/[^'"]+)\1/g;

/**
 * SHA-256 (hex) over a module's file and all that it imports by relative paths written out in it, with their places, so that it is the same
 * wherever the folder lies. Packages that it imports are not among them: their files differ between machines where nothing of their code
 * does, and their version is a matter of the package that names it.
 */
export async function hashModule(path: string): Promise<string> {
  const texts = await moduleFiles(path);
  const hash = createHash('sha256');
  const placed = [...texts].map(([file, bytes]) => [relative(dirname(path), file).replaceAll('\\', '/'), bytes] as const);
  for (const [place, bytes] of placed.sort(([a], [b]) => (a < b ? -1 : 1))) hash.update(`${place}\0${bytes.length}\0`).update(bytes);
  return hash.digest('hex');
}

/** Reads a module's file, and all that it imports by relative paths written out in it. */
export async function moduleFiles(path: string): Promise<ReadonlyMap<string, Buffer>> {
  const texts = new Map<string, Buffer>();
  const read = async (file: string): Promise<void> => {
    if (texts.has(file)) return;
    const bytes = await readFile(file);
    texts.set(file, bytes);
    for (const [, , name] of bytes.toString('utf8').matchAll(RELATIVE_IMPORT)) {
      // What is no file is for the import to fail with.
      await read(resolve(dirname(file), name!)).catch(() => undefined);
    }
  };
  await read(path);
  return texts;
}
