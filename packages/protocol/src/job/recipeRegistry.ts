import { MaestroError } from '../errors.ts';
import { whyNoSeries } from './metrics.ts';
import type { RecipeInfo } from './recipe.ts';

const recipes = new Map<string, RecipeInfo>();
let failure: MaestroError | undefined;
let isSealed = false;

/**
 * Makes recipes known to this process, before it reads the first job file. @throws MaestroError `conflict` when a name is taken by another
 * one, `invalid-argument` when a series has a name that cannot be shown everywhere.
 */
export function registerRecipes(added: readonly RecipeInfo[]): void {
  for (const recipe of added) {
    if ((recipes.get(recipe.id) ?? recipe) !== recipe) throw new MaestroError('conflict', `recipe ${recipe.id}: the name is taken`);
    const problem = whyNoSeries(recipe.series);
    if (problem !== undefined) throw new MaestroError('invalid-argument', `recipe ${recipe.id}: ${problem}`);
    // Modules are evaluated while one that another imports first still waits: what is made from recipes must not be made by then.
    if (isSealed && !recipes.has(recipe.id)) {
      throw new MaestroError('internal', `internal: recipe ${recipe.id} comes after the schema of job files was made`);
    }
    recipes.set(recipe.id, recipe);
  }
}

/** Records why not all recipes could be registered: whoever asks for one gets this error. */
export function failRecipes(error: MaestroError): void {
  failure = error;
}

/**
 * Returns all registered recipes. Programs call it at their start, so that a recipe that cannot be loaded is told of at once.
 * @throws MaestroError of the recipe that could not be loaded; `internal` when none was registered: `@maestro/recipes` is not imported.
 */
export function recipeInfos(): readonly RecipeInfo[] {
  if (failure !== undefined) throw failure;
  if (recipes.size === 0) throw new MaestroError('internal', 'internal: no recipe is registered; import @maestro/recipes first');
  return [...recipes.values()];
}

/** Returns all registered recipes, to which none is added from now on. */
export function sealRecipes(): readonly RecipeInfo[] {
  const infos = recipeInfos();
  isSealed = true;
  return infos;
}

/** Returns the recipe of a job. @throws MaestroError `not-found`. */
export function recipeOf({ recipe: id }: { readonly recipe: string }): RecipeInfo {
  if (failure !== undefined) throw failure;
  const found = recipes.get(id);
  if (found === undefined)
    throw new MaestroError('not-found', `recipe ${id}: not loaded here; loaded are ${[...recipes.keys()].join(', ')}`);
  return found;
}

/** Returns true when a job trains weights, and so has a loss and checkpoints. */
export function isTraining(spec: { readonly recipe: string }): boolean {
  return recipeOf(spec).verb === 'training';
}
