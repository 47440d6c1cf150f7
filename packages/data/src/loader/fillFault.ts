import { errorMessage, MaestroError, type RecipeName, recipeFault } from '@maestro/protocol';
import type { Dataset } from '../formats/dataset.ts';

/** Error for a filler that failed at a sample: names the recipe whose code it is, and the sample. `cause` is what it threw, or a text. */
export function fillFault(
  author: RecipeName | undefined,
  { dataset, sample }: { readonly dataset: Pick<Dataset, 'name'>; readonly sample: number },
  cause: unknown,
): MaestroError {
  const where = `fillSample of sample ${sample} (${dataset.name(sample)})`;
  if (author !== undefined) return recipeFault(author, where, cause);
  return new MaestroError('internal', `internal: ${where}: ${errorMessage(cause)}`, { cause });
}
