import type { AllReduceResult } from '@maestro/collective';
import { type FloatRange, type SegmentedFloats, SUM_SQUARES_BLOCK, sliceParts } from '@maestro/kernels';
import { MaestroError } from '@maestro/protocol';
import type { FlatLayout, FlatTensor } from '@maestro/tensors';

const ADVICE = {
  // Nothing has moved yet, and the initial parameters are finite.
  first: 'no learning rate has had an effect yet: look at what the recipe fills in for a sample, and at its loss',
  later: 'lower schedule.baseLr, or lengthen the warm-up',
} as const;

/**
 * Error that names the tensors whose gradients are not finite: start the search at the first few. Outside `range`, which others have
 * summed, it is known only per block.
 */
export function nonFinite({
  step,
  loss,
  layout,
  reduced,
  range = { first: 0, length: layout.length },
  total,
}: {
  readonly step: number;
  readonly loss: number;
  readonly layout: FlatLayout;
  readonly reduced: SegmentedFloats;
  /** Range in which `reduced` holds the sum. Default: everywhere. */
  readonly range?: FloatRange;
  readonly total?: Pick<AllReduceResult, 'blockSumSquares'>;
}): MaestroError {
  const isBad = ({ offset, size }: FlatTensor): boolean => {
    const isHere = range.first <= offset && offset + size <= range.first + range.length;
    if (isHere) return sliceParts(reduced, offset, size).some(({ floats }) => !floats.every(Number.isFinite));
    const blocks = total?.blockSumSquares.subarray(Math.floor(offset / SUM_SQUARES_BLOCK), Math.ceil((offset + size) / SUM_SQUARES_BLOCK));
    return blocks?.every(Number.isFinite) === false;
  };
  const names = layout.tensors.filter(isBad).map(({ name }) => name);
  const where =
    names.length === 0
      ? 'no gradient'
      : `the gradients of ${names.slice(0, 5).join(', ')}${names.length > 5 ? ` and ${names.length - 5} more` : ''}`;
  return new MaestroError(
    'non-finite',
    `step ${step}: loss ${loss}, and ${where} are not finite; ${ADVICE[step === 0 ? 'first' : 'later']}`,
    { details: { step, loss, names } },
  );
}
