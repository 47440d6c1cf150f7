import { failRecipes, MaestroError, readEnvironment } from '@maestro/protocol';
import { knnInfo } from './knn/info.ts';
import { pretrainInfo } from './pretrain/info.ts';
import { addRecipes } from './registry.ts';

/** The registry: each recipe is a folder here and a line in this list. Whoever reads job files imports this module first. */
addRecipes([
  { info: pretrainInfo, loadPlan: async () => (await import('./pretrain/plan.ts')).planPretrain },
  { info: knnInfo, loadMeasuring: async () => (await import('./knn/openKnn.ts')).openKnn },
]);

const { MAESTRO_RECIPES: modules } = readEnvironment();
if (modules !== undefined) {
  try {
    const { loadRecipeModules } = await import('./modules/loadRecipeModules.ts');
    await loadRecipeModules(modules, (entry) => addRecipes([entry]));
  } catch (error) {
    // Told by whoever first asks for a recipe, which every program does at its start.
    if (!(error instanceof MaestroError)) throw error;
    failRecipes(error);
  }
}

export type { FinishOptions, MeasuredBatch, Measuring, MeasuringTools } from './measuring/measuring.ts';
export { openMeasuring } from './measuring/openMeasuring.ts';
export type { RecipeModule } from './modules/recipeModule.ts';
export { drawParameters } from './plan/drawParameters.ts';
export { type PlanSource, planInThread, planRecipe, planSource, recipeFiller } from './plan/planRecipe.ts';
export type { RecipeKit } from './plan/recipeKit.ts';
export type { DataFacts, PlanRecipe, RecipePlan } from './plan/recipePlan.ts';
export { recipeIdentity } from './registry.ts';
export { ownSeries } from './trainingSeries.ts';
