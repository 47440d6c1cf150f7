import type { EvaluationImages } from '@maestro/data';
import { MaestroError } from '@maestro/protocol';

/** Limits the names in a message. */
const NAMED = 5;

/** Requires that at least one of the images to draw could be decoded. @throws MaestroError `data-invalid` that names the broken ones. */
export function requireDecoded(
  { indices, skipped }: Pick<EvaluationImages, 'indices' | 'skipped'>,
  which: 'held-out image' | 'image',
): void {
  if (indices.length > 0) return;
  const named = skipped.slice(0, NAMED).map(({ name, reason }) => `${name} (${reason})`);
  const more = skipped.length > NAMED ? `, and ${skipped.length - NAMED} more` : '';
  throw new MaestroError('data-invalid', `no ${which} can be decoded: ${named.join(', ')}${more}`);
}
