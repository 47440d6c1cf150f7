import { type SegmentedFloats, sliceParts } from '@maestro/kernels';
import type { FlatLayout } from '@maestro/mae';
import { MaestroError } from '@maestro/protocol';

/** Names the tensors whose gradients are not finite: the first few are where to look. */
export function nonFinite({
  step,
  loss,
  layout,
  reduced,
}: {
  readonly step: number;
  readonly loss: number;
  readonly layout: FlatLayout;
  readonly reduced: SegmentedFloats;
}): MaestroError {
  const names = layout.tensors
    .filter(({ offset, size }) => sliceParts(reduced, offset, size).some(({ floats }) => !floats.every(Number.isFinite)))
    .map(({ name }) => name);
  const where =
    names.length === 0
      ? 'no gradient'
      : `the gradients of ${names.slice(0, 5).join(', ')}${names.length > 5 ? ` and ${names.length - 5} more` : ''}`;
  return new MaestroError(
    'non-finite',
    `step ${step}: loss ${loss}, and ${where} are not finite; lower schedule.baseLr, or lengthen the warm-up`,
    { details: { step, loss, names } },
  );
}
