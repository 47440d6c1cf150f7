import { realpath } from 'node:fs/promises';
import { errorMessage, MaestroError } from '@maestro/protocol';
import type { RecipeEntry } from '../registry.ts';
import { hashModule } from './hashModule.ts';
import { importModule } from './importModule.ts';
import { modulePath } from './modulePath.ts';
import { recipeOfModule } from './recipeModule.ts';

/**
 * Loads the recipes that `MAESTRO_RECIPES` names: paths of modules, or names of packages, with commas between. A path that does not begin
 * with `/` begins with `./` or `../`, and is taken from `folder`; so are packages, where they are not installed beside maestro. Each is
 * passed to `add`.
 *
 * @throws MaestroError `invalid-argument` that names the module which cannot be found, loaded or added, or exports no recipe.
 */
export async function loadRecipeModules(text: string, add: (entry: RecipeEntry) => void, folder: string = process.cwd()): Promise<void> {
  const names = text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  for (const name of names) {
    try {
      add(await loadRecipeModule(name, folder));
    } catch (cause) {
      const reason = errorMessage(cause).split('\n')[0]!;
      throw new MaestroError('invalid-argument', `MAESTRO_RECIPES: ${name} cannot be loaded: ${reason}`, { cause });
    }
  }
}

async function loadRecipeModule(name: string, folder: string): Promise<RecipeEntry> {
  const path = await realpath(await modulePath(name, folder));
  // Before the import: a file that is changed meanwhile is another one for the threads, which hash it again.
  const sha256 = await hashModule(path);
  return recipeOfModule(await importModule(name, path), { module: name, sha256 });
}
