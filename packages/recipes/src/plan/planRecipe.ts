import type { FillerSource } from '@maestro/data';
import { type JobSpec, MaestroError, recipeFault } from '@maestro/protocol';
import { entryOf, recipeIdentity } from '../registry.ts';
import type { DataFacts, RecipePlan } from './recipePlan.ts';

/** The plan of a job that trains. @throws MaestroError `invalid-argument` that names the recipe, when it cannot make one. */
export async function planRecipe(spec: JobSpec, data: DataFacts): Promise<RecipePlan> {
  const { info, loadPlan } = entryOf(spec);
  if (loadPlan === undefined) throw new MaestroError('internal', `internal: recipe ${info.id} has no plan`);
  const [plan, { recipeKit }, { checkedPlan }] = await Promise.all([loadPlan(), import('./recipeKit.ts'), import('./checkedPlan.ts')]);
  let made: RecipePlan;
  try {
    made = await plan(spec, data, recipeKit);
  } catch (error) {
    throw recipeFault(info, 'plan', error);
  }
  return checkedPlan(info, made);
}

/** What a thread makes a job's plan from again. */
export interface PlanSource {
  readonly spec: JobSpec;
  readonly data: DataFacts;
  /** {@link recipeIdentity} of the process that sent it. */
  readonly identity: Readonly<Record<string, string>>;
}

/** A plan for another thread, which makes it by {@link planInThread}. */
export function planSource(spec: JobSpec, { samples, classes }: DataFacts): PlanSource {
  return { spec, data: { samples, classes: [...classes] }, identity: recipeIdentity(spec) };
}

/**
 * The plan that another thread of this process has.
 * @throws MaestroError `conflict` when the recipe's module was changed since this process started.
 */
export async function planInThread({ spec, data, identity }: PlanSource): Promise<RecipePlan> {
  if (JSON.stringify(recipeIdentity(spec)) !== JSON.stringify(identity)) {
    throw new MaestroError('conflict', `recipe ${spec.recipe}: its module was changed since this worker started; start the worker again`);
  }
  return planRecipe(spec, data);
}

/** What fills in the samples of a job that trains. Recipes of maestro write their inputs whole; modules may rely on zeros. */
export function recipeFiller(source: PlanSource): FillerSource {
  const { id, module } = entryOf(source.spec).info;
  return {
    module: new URL('./recipeFiller.js', import.meta.url).href,
    options: source,
    author: { id, ...(module !== undefined && { module }) },
    writesAll: module === undefined,
  };
}
