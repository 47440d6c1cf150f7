import { MaestroError } from '../errors.ts';
import { whyNoSeries } from './metrics.ts';
import type { RecipeInfo } from './recipe.ts';

const recipes = new Map<string, RecipeInfo>();

/**
 * Makes recipes known to this process, before it reads the first job file. @throws MaestroError `conflict` when a name is taken by another
 * one, `invalid-argument` when a series has a name that cannot be shown everywhere.
 */
export function registerRecipes(added: readonly RecipeInfo[]): void {
  for (const recipe of added) {
    if ((recipes.get(recipe.id) ?? recipe) !== recipe) throw new MaestroError('conflict', `recipe ${recipe.id}: the name is taken`);
    const problem = whyNoSeries(recipe.series);
    if (problem !== undefined) throw new MaestroError('invalid-argument', `recipe ${recipe.id}: ${problem}`);
    recipes.set(recipe.id, recipe);
  }
}

/** Returns all registered recipes. @throws MaestroError `internal` when none is registered: `@maestro/recipes` is not imported. */
export function recipeInfos(): readonly RecipeInfo[] {
  if (recipes.size === 0) throw new MaestroError('internal', 'internal: no recipe is registered; import @maestro/recipes first');
  return [...recipes.values()];
}

/** Returns the recipe of a job. @throws MaestroError `not-found`. */
export function recipeOf({ recipe: id }: { readonly recipe: string }): RecipeInfo {
  const found = recipes.get(id);
  if (found === undefined) throw new MaestroError('not-found', `recipe ${id}: unknown here; there are ${[...recipes.keys()].join(', ')}`);
  return found;
}

/** Returns true when a job trains weights, and so has a loss and checkpoints. */
export function isTraining(spec: { readonly recipe: string }): boolean {
  return recipeOf(spec).verb === 'training';
}
