import { stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { isAbsolute, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MaestroError } from '@maestro/protocol';

/**
 * Finds the file of a module that `MAESTRO_RECIPES` names: a path from `folder`, or a package that is installed there or beside maestro.
 * @throws MaestroError `not-found` or `invalid-argument` that says what to write instead.
 */
export async function modulePath(name: string, folder: string): Promise<string> {
  if (!isPath(name)) return packagePath(name, folder);
  const path = name.startsWith('file:') ? fileURLToPath(name) : resolve(folder, name);
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT' && error.code !== 'ENOTDIR') throw error;
    throw new MaestroError('not-found', `there is no file ${path}`);
  });
  if (found.isDirectory())
    throw new MaestroError('invalid-argument', `it is a folder; name the file of the module in it, such as ${join(name, 'recipe.mjs')}`);
  return path;
}

function isPath(name: string): boolean {
  return name.startsWith('file:') || isAbsolute(name) || /^\.{1,2}[\\/]/.test(name);
}

async function packagePath(name: string, folder: string): Promise<string> {
  try {
    return createRequire(join(folder, 'package.json')).resolve(name);
  } catch {
    try {
      return fileURLToPath(import.meta.resolve(name));
    } catch (cause) {
      const isFile = await stat(resolve(folder, name)).then(
        () => true,
        () => false,
      );
      const advice = isFile
        ? `write ./${name}: without ./ it is the name of a package`
        : `no package of this name is installed in ${folder} or beside maestro; the path of a file begins with / or ./`;
      throw new MaestroError('not-found', advice, { cause });
    }
  }
}
