import { openNativeImages } from '@maestro/native';
import { createNativeResampler } from './nativeResampler.ts';
import { createResampler, type Resampler } from './resample.ts';

/** Creates the fastest resampler that this machine has; their bits are the same. */
export function openResampler(): Resampler {
  const images = openNativeImages();
  return images === undefined ? createResampler() : createNativeResampler(images);
}
