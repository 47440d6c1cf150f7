import { knnInfo } from './knn/info.ts';
import { pretrainInfo } from './pretrain/info.ts';
import { addRecipes } from './registry.ts';

/** The registry: each recipe is a folder here and a line in this list. Whoever reads job files imports this module first. */
addRecipes([{ info: pretrainInfo, loadPlan: async () => (await import('./pretrain/plan.ts')).planPretrain }, { info: knnInfo }]);

export { type KnnSpec, knnOf } from './knn/knnSpec.ts';
export { drawParameters } from './plan/drawParameters.ts';
export { type PlanSource, planInThread, planRecipe, planSource, recipeFiller } from './plan/planRecipe.ts';
export type { RecipeKit } from './plan/recipeKit.ts';
export type { DataFacts, PlanRecipe, RecipePlan } from './plan/recipePlan.ts';
export { recipeIdentity } from './registry.ts';
