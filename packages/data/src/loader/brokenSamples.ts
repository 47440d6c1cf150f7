import { MaestroError, type SkippedImage } from '@maestro/protocol';

/** Maximum share of broken samples in a data set. */
const MAX_BROKEN_FRACTION = 0.01;
const NAMED_IN_ERROR = 5;

/** Returns how many broken samples are tolerated in a data set of `samples`: 1 %, but at least one. */
export function mostBroken(samples: number): number {
  return Math.max(1, Math.floor(MAX_BROKEN_FRACTION * samples));
}

/** Error for a data set of `samples` with `broken` broken ones, more than {@link mostBroken}; `named` lists some of them. */
export function tooManyBroken({
  broken,
  samples,
  named,
}: {
  readonly broken: number;
  readonly samples: number;
  readonly named: readonly SkippedImage[];
}): MaestroError {
  const names = named.slice(0, NAMED_IN_ERROR).map(({ name, reason }) => `${name} (${reason})`);
  if (broken > names.length) names.push('...');
  return new MaestroError(
    'data-invalid',
    `data set: ${broken} of ${samples} samples cannot be decoded, more than ${100 * MAX_BROKEN_FRACTION} %; remove or mend them: ` +
      `${names.join(', ')}`,
    { details: { broken: named.map(({ name }) => name) } },
  );
}
