import type { Job } from '@maestro/protocol';

/** Whether a job trains, and so has a loss, by its job file. */
export function isTraining({ specJson }: Pick<Job, 'specJson'>): boolean {
  return (JSON.parse(specJson) as { readonly recipe?: string }).recipe !== 'knn';
}
