import type { FillerSource, SampleFiller } from './sampleFiller.ts';

/** Options of a filler that fills in images alone, as `images`. */
export interface ImageFillerOptions {
  readonly crop: 'random' | 'central';
}

/** Fills in `images`, and no other input. */
export function imageFiller(options: ImageFillerOptions): FillerSource {
  return { module: import.meta.url, options, writesAll: true };
}

/** See {@link imageFiller}. */
export function openSampleFiller({ crop }: ImageFillerOptions): SampleFiller {
  return (sample, { images }) => sample.readImage(images as Float32Array, crop);
}
