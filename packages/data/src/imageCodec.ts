import { assertInternal, errorMessage, isMaestroError } from '@maestro/protocol';
import sharp from 'sharp';
import type { CropBox } from './cropBox.ts';

/** File endings that count as images (compared in lower case): the raster formats that every build of sharp reads. */
export const IMAGE_EXTENSIONS: readonly string[] = ['.avif', '.gif', '.jpeg', '.jpg', '.png', '.tif', '.tiff', '.webp'];

/** A larger image is broken: decoding must not take unbounded memory (100 megapixels are 300 MB of RGB). */
export const MAX_PIXELS = 100_000_000;

// One libvips thread per image (workers run several loader threads), and no cache of operations that never repeat.
sharp.concurrency(1);
sharp.cache(false);

/** The versions that decide how images decode; part of a job's identity. */
export function imageBuild(): {
  readonly sharp: string;
  readonly vips: string;
} {
  return { sharp: sharp.versions.sharp, vips: sharp.versions.vips };
}

/**
 * Decodes an image file and resizes the box that `chooseBox` picks to `size` x `size` (bicubic). EXIF orientation is applied, alpha is
 * dropped, of an animation the first frame counts. Returns [size, size, channels], or the reason when the image is broken, cut off or
 * larger than {@link MAX_PIXELS}.
 *
 * @param chooseBox gets the upright width and height in pixels.
 */
export async function decodeSquare({
  bytes,
  size,
  channels,
  chooseBox,
}: {
  readonly bytes: Uint8Array;
  readonly size: number;
  readonly channels: 1 | 3;
  readonly chooseBox: (width: number, height: number) => CropBox;
}): Promise<Uint8Array | BrokenImage> {
  const options = { failOn: 'error', limitInputPixels: MAX_PIXELS } as const;
  try {
    const { autoOrient, orientation = 1 } = await sharp(bytes, options).metadata();
    const { left, top, width, height } = chooseBox(autoOrient.width, autoOrient.height);
    const image = sharp(bytes, options);
    const pixels = await (orientation > 1 ? image.autoOrient() : image)
      .extract({ left, top, width, height })
      .resize(size, size, { fit: 'fill', kernel: 'cubic', fastShrinkOnLoad: false })
      .toColourspace(channels === 1 ? 'b-w' : 'srgb')
      .removeAlpha()
      .raw({ depth: 'uchar' })
      .toBuffer();
    assertInternal(pixels.length === size * size * channels, `decoded ${pixels.length} bytes for ${size} x ${size} x ${channels}`);
    return pixels;
  } catch (error) {
    if (isMaestroError(error)) throw error;
    return { broken: errorMessage(error) };
  }
}

/**
 * Decodes an image file whole, upright, and makes it smaller so that its shorter side has `shorterSide` pixels; a smaller one stays as it is.
 * The rest is as in {@link decodeSquare}.
 */
export async function decodeReduced({
  bytes,
  shorterSide,
  channels,
}: {
  readonly bytes: Uint8Array;
  readonly shorterSide: number;
  readonly channels: 1 | 3;
}): Promise<DecodedImage | BrokenImage> {
  try {
    const { data, info } = await sharp(bytes, { failOn: 'error', limitInputPixels: MAX_PIXELS })
      .autoOrient()
      .resize(shorterSide, shorterSide, { fit: 'outside', withoutEnlargement: true, kernel: 'cubic', fastShrinkOnLoad: false })
      .toColourspace(channels === 1 ? 'b-w' : 'srgb')
      .removeAlpha()
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    const { width, height } = info;
    assertInternal(data.length === width * height * channels, `decoded ${data.length} bytes for ${width} x ${height} x ${channels}`);
    return { data, width, height };
  } catch (error) {
    if (isMaestroError(error)) throw error;
    return { broken: errorMessage(error) };
  }
}

/** Pixels [height, width, channels]. */
export interface DecodedImage {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
}

/** Why an image file cannot be decoded, in the decoder's words. */
export interface BrokenImage {
  readonly broken: string;
}

/** Encodes `pixels` ([height, width, channels]) as PNG. */
export async function encodePng(pixels: Uint8Array, width: number, height: number, channels: 1 | 3 = 3): Promise<Uint8Array> {
  return sharp(pixels, { raw: { width, height, channels } }).png().toBuffer();
}
