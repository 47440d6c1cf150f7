import { realpath } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { isAbsolute, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { errorMessage, MaestroError } from '@maestro/protocol';
import type { RecipeEntry } from '../registry.ts';
import { hashModule } from './hashModule.ts';
import { recipeOfModule } from './recipeModule.ts';

/**
 * Loads the recipes that `MAESTRO_RECIPES` names: paths of modules, or names of packages, with commas between. A path that does not begin
 * with `/` begins with `./` or `../`, and is taken from `folder`; so are packages, where they are not installed beside maestro.
 *
 * @throws MaestroError `invalid-argument` that names the module which cannot be found or loaded, or exports no recipe.
 */
export async function loadRecipeModules(text: string, folder: string = process.cwd()): Promise<RecipeEntry[]> {
  const names = text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  const loaded: RecipeEntry[] = [];
  for (const name of names) {
    try {
      loaded.push(await loadRecipeModule(name, folder));
    } catch (cause) {
      const reason = errorMessage(cause).split('\n')[0]!;
      throw new MaestroError('invalid-argument', `MAESTRO_RECIPES: ${name} cannot be loaded: ${reason}`, { cause });
    }
  }
  return loaded;
}

async function loadRecipeModule(name: string, folder: string): Promise<RecipeEntry> {
  const path = await realpath(pathOf(name, folder));
  // Before the import: a file that is changed meanwhile is another one for the threads, which hash it again.
  const sha256 = await hashModule(path);
  const module: { readonly default?: unknown } = await import(pathToFileURL(path).href);
  return recipeOfModule(module.default, { path: name, sha256 });
}

function pathOf(name: string, folder: string): string {
  if (name.startsWith('file:')) return fileURLToPath(name);
  if (isAbsolute(name) || /^\.{1,2}[\\/]/.test(name)) return resolve(folder, name);
  try {
    return createRequire(join(folder, 'package.json')).resolve(name);
  } catch {
    return fileURLToPath(import.meta.resolve(name));
  }
}
