import type { BatchInput } from '@maestro/protocol';
import type { SampleFiller } from '../loader/sampleFiller.ts';

/** One input of each element type, besides images. */
export const DRAWN_INPUTS = [
  { name: 'images', dtype: 'float32', shape: [1, 16, 16] },
  { name: 'weights', dtype: 'float32', shape: [2] },
  { name: 'label', dtype: 'int64', shape: [] },
  { name: 'index', dtype: 'int32', shape: [] },
  { name: 'flags', dtype: 'uint8', shape: [3] },
] as const satisfies readonly BatchInput[];

/** Samples with a lower index keep their flags at zero. */
export const UNFLAGGED = 12;

/** What can go wrong at a sample: the filler throws, loops for ever, waits for ever, or returns while its image is being read. */
export type Mistake = 'throws' | 'loops' | 'waits' | 'leaves';

/** Options of {@link openSampleFiller}. */
export interface DrawingFillerOptions {
  /** Index of the sample at which `mistake` (default `throws`) is made. */
  readonly failAt?: number | undefined;
  readonly mistake?: Mistake;
}

/** Fills in {@link DRAWN_INPUTS}. */
export function openSampleFiller({ failAt, mistake = 'throws' }: DrawingFillerOptions): SampleFiller {
  return async (sample, out) => {
    if (sample.index === failAt) {
      if (mistake === 'throws') throw new RangeError(`no filling for sample ${failAt}`);
      if (mistake === 'waits') await new Promise(() => undefined);
      const read = sample.readImage(out['images'] as Float32Array);
      // An image that is being read is no excuse for a loop.
      while (mistake === 'loops');
      if (mistake === 'leaves') return;
      await read;
    }
    const weights = sample.random('weights');
    for (let i = 0; i < 2; i++) out['weights']![i] = weights.uniform();
    (out['label'] as BigInt64Array)[0] = BigInt(sample.label ?? -1);
    out['index']![0] = sample.index;
    if (sample.index >= UNFLAGGED) out['flags']!.fill(1 as never);
    await sample.readImage(out['images'] as Float32Array);
  };
}
