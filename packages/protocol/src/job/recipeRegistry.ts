import { MaestroError } from '../errors.ts';
import { whyNoSeries } from './metrics.ts';
import type { RecipeInfo } from './recipe.ts';

const recipes = new Map<string, RecipeInfo>();
/** Stand-ins for recipes of stored jobs that are not loaded. */
const absent = new Map<string, RecipeInfo>();
let failure: MaestroError | undefined;
let isSealed = false;

/**
 * Registers recipes in this process. Must run before the first job file is read.
 * @throws MaestroError `conflict` when another recipe has the same name, `invalid-argument` when a series has a name that cannot be shown
 * everywhere.
 */
export function registerRecipes(added: readonly RecipeInfo[]): void {
  for (const recipe of added) {
    if ((recipes.get(recipe.id) ?? recipe) !== recipe) throw new MaestroError('conflict', `recipe ${recipe.id}: the name is taken`);
    const problem = whyNoSeries(recipe.series);
    if (problem !== undefined) throw new MaestroError('invalid-argument', `recipe ${recipe.id}: ${problem}`);
    // A module can be evaluated while one imported before it still awaits; anything derived from recipes must not be built by then.
    if (isSealed && !recipes.has(recipe.id)) {
      throw new MaestroError('internal', `internal: recipe ${recipe.id} comes after the schema of job files was made`);
    }
    recipes.set(recipe.id, recipe);
  }
}

/** Records why not all recipes could be registered; looking up a recipe then throws this error. */
export function failRecipes(error: MaestroError): void {
  failure = error;
}

/**
 * Returns all registered recipes. Programs call it at startup, so that a recipe that cannot be loaded is reported at once.
 * @throws MaestroError of the recipe that could not be loaded; `internal` when none was registered: `@maestro/recipes` is not imported.
 */
export function recipeInfos(): readonly RecipeInfo[] {
  if (failure !== undefined) throw failure;
  if (recipes.size === 0) throw new MaestroError('internal', 'internal: no recipe is registered; import @maestro/recipes first');
  return [...recipes.values()];
}

/** Returns all registered recipes and closes the registry to new ones. */
export function sealRecipes(): readonly RecipeInfo[] {
  const infos = recipeInfos();
  isSealed = true;
  return infos;
}

/** Returns true when this process has loaded the recipe of a job. */
export function isLoaded({ recipe }: { readonly recipe: string }): boolean {
  return recipes.has(recipe);
}

/**
 * Makes a stored job of a recipe that is not loaded presentable: {@link recipeOf} then returns a stand-in with the metrics of this name. No
 * job can be submitted for it.
 */
export function standInFor({ recipe: id }: { readonly recipe: string }, metrics: readonly string[]): void {
  const before = absent.get(id)?.series ?? [];
  const added = metrics.filter((name) => !before.some((metric) => metric.name === name));
  const series = [...before, ...added.map((name) => ({ name, label: name, unit: 'number' as const }))];
  absent.set(id, { id, does: 'is not loaded here', verb: 'training', dataPlaces: [], series, results: [] });
}

/** Returns the recipe of a job, or its stand-in. @throws MaestroError `not-found`. */
export function recipeOf({ recipe: id }: { readonly recipe: string }): RecipeInfo {
  if (failure !== undefined) throw failure;
  const found = recipes.get(id) ?? absent.get(id);
  if (found === undefined)
    throw new MaestroError('not-found', `recipe ${id}: not loaded here; loaded are ${[...recipes.keys()].join(', ')}`);
  return found;
}

/** Returns true when a job trains weights, and so has a loss and checkpoints. */
export function isTraining(spec: { readonly recipe: string }): boolean {
  return recipeOf(spec).verb === 'training';
}
