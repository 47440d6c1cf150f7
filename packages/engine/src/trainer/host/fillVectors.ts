import { type FloatRange, type SegmentedFloats, sliceParts } from '@maestro/kernels';
import { MaestroError } from '@maestro/protocol';

/**
 * Sets vectors; those without values become zero. Of moments only `own` is written, so that what others own takes no memory.
 * @throws MaestroError `invalid-argument` when a length is another; nothing is written then.
 */
export function fillVectors(
  values: Readonly<Record<string, Float32Array | undefined>>,
  targets: Readonly<Record<string, SegmentedFloats>>,
  own: FloatRange,
): void {
  for (const [name, given] of Object.entries(values)) {
    const length = targets[name]?.length ?? 0;
    if (given !== undefined && given.length !== length) {
      throw new MaestroError('invalid-argument', `load: ${name} has ${given.length} floats, the layout ${length}`);
    }
  }
  for (const [name, target] of Object.entries(targets)) {
    const given = values[name];
    const range = name.endsWith('Moments') ? own : { first: 0, length: target.length };
    for (const { start, floats } of sliceParts(target, range.first, range.length)) {
      if (given === undefined) floats.fill(0);
      else floats.set(given.subarray(start, start + floats.length));
    }
  }
}
