import type { EvaluationImages } from '@maestro/data';
import { MaestroError } from '@maestro/protocol';

/** Names in a message. */
const NAMED = 5;

/** Of images that are to be drawn at least one must be left. @throws MaestroError `data-invalid` that names those that are broken. */
export function requireDecoded(
  { indices, skipped }: Pick<EvaluationImages, 'indices' | 'skipped'>,
  which: 'held-out image' | 'image',
): void {
  if (indices.length > 0) return;
  const named = skipped.slice(0, NAMED).map(({ name, reason }) => `${name} (${reason})`);
  const more = skipped.length > NAMED ? `, and ${skipped.length - NAMED} more` : '';
  throw new MaestroError('data-invalid', `no ${which} can be decoded: ${named.join(', ')}${more}`);
}
