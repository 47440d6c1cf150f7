import { errorMessage, MaestroError } from '../errors.ts';
import { printable } from '../printable.ts';
import type { RecipeInfo } from './recipe.ts';

/** Whose code it is: a recipe, and the module that it came in. */
export type RecipeName = Pick<RecipeInfo, 'id' | 'module'>;

/** Names a recipe in messages: `recipe denoise (./denoise.mjs)`; without a module when it is part of maestro. */
export function recipeLabel({ id, module }: RecipeName): string {
  return module === undefined ? `recipe ${id}` : `recipe ${id} (${module})`;
}

/**
 * Error for a mistake in a recipe's code: `recipe denoise (./denoise.mjs): fillSample of sample 17 (a.jpg): ... (denoise.mjs:54:17)`. Its
 * code is `invalid-argument`: every worker would meet the same.
 *
 * @param where the function, and what it was called for.
 * @param cause what it threw, or a text that says what is wrong with what it returned.
 */
export function recipeFault(recipe: RecipeName, where: string, cause: unknown): MaestroError {
  const [line = ''] = errorMessage(cause).split('\n');
  const reason = `${line || 'it threw an error without a message'}${placeOf(cause, recipe)}`;
  return new MaestroError('invalid-argument', printable(`${recipeLabel(recipe)}: ${where}: ${reason}`), { cause });
}

/** Returns ` (denoise.mjs:54:17)` when an error's stack passes the recipe's own file; what it imports is not looked for. */
function placeOf(cause: unknown, { module }: RecipeName): string {
  const stack = (cause as { readonly stack?: unknown } | null | undefined)?.stack;
  const file = module?.split(/[\\/]/).at(-1);
  if (typeof stack !== 'string' || file === undefined) return '';
  for (const line of stack.split('\n')) {
    const [, name, at] = /([^/\\]+\.[cm]?js):(\d+:\d+)\)?$/.exec(line) ?? [];
    if (name === file) return ` (${file}:${at})`;
  }
  return '';
}
