import { type Job, recipeInfos } from '@maestro/protocol';

/** Whether a job trains, and so has a loss, by its job file. A recipe that is not known here, but to the coordinator, is taken to train. */
export function isTraining({ specJson }: Pick<Job, 'specJson'>): boolean {
  const { recipe } = JSON.parse(specJson) as { readonly recipe?: string };
  return recipeInfos().find(({ id }) => id === recipe)?.verb !== 'measuring';
}
