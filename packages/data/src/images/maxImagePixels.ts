import { MaestroError, readEnvironment } from '@maestro/protocol';

/** Default limit above which an image counts as broken: decoding must not take unbounded memory (100 megapixels are 300 MB of RGB). */
const DEFAULT_PIXELS = 100_000_000;

/**
 * Returns the maximum pixels of an image: `MAESTRO_MAX_IMAGE_PIXELS`. It decides which images are left out, so it is part of a job's
 * identity.
 * @throws MaestroError `invalid-argument` when that is not a positive integer.
 */
export function maxImagePixels(): number {
  const text = readEnvironment()['MAESTRO_MAX_IMAGE_PIXELS'] ?? '';
  if (text === '') return DEFAULT_PIXELS;
  const pixels = Number(text);
  if (!Number.isSafeInteger(pixels) || pixels < 1)
    throw new MaestroError(
      'invalid-argument',
      `MAESTRO_MAX_IMAGE_PIXELS: found ${JSON.stringify(text)}, expected a whole number of pixels above 0`,
    );
  return pixels;
}
