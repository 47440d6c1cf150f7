import { type Job, recipeInfos } from '@maestro/protocol';

/**
 * Returns true when a job trains, and so has a loss, judged by its job file. A recipe known only to the coordinator is assumed to train.
 */
export function isTraining({ specJson }: Pick<Job, 'specJson'>): boolean {
  const { recipe } = JSON.parse(specJson) as { readonly recipe?: string };
  return recipeInfos().find(({ id }) => id === recipe)?.verb !== 'measuring';
}
