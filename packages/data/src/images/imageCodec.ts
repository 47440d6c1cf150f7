import { errorMessage, isMaestroError } from '@maestro/protocol';
import sharp, { type Metadata, type Sharp } from 'sharp';
import { cmykToRgb, toLuma, toThreeChannels } from './convertPixels.ts';
import type { CropBox } from './cropBox.ts';
import { maxImagePixels } from './maxImagePixels.ts';
import { createResampler, type Resampler } from './resample.ts';

/** File extensions that count as images (compared in lower case): the raster formats that every build of sharp reads. */
export const IMAGE_EXTENSIONS: readonly string[] = ['.avif', '.gif', '.jpeg', '.jpg', '.png', '.tif', '.tiff', '.webp'];

/**
 * sharp's names of those formats. All others are refused whatever the file's extension: the rendering of a vector drawing depends on the
 * machine's fonts.
 */
const FORMATS: ReadonlySet<string> = new Set(['heif', 'gif', 'jpeg', 'png', 'tiff', 'webp']);

/**
 * Version of the rule by which a file becomes pixels: decoding, alpha, colour, depth, orientation and resizing. It is incremented whenever
 * the result for any image may change. 1: resized by libvips. 2: decoded like Pillow, resized by {@link createResampler}.
 */
export const IMAGE_RULE = 2;

/** Limits the pixels of a side, in addition to {@link maxImagePixels}: the memory of resizing grows with the longer side. */
const MAX_SIDE = 131_072;

/**
 * A 16-bit image without a value above this holds 12 bits or fewer: taken as 16 bits it would be nearly black, and lose all but sixteen
 * levels.
 */
const MOST_OF_TWELVE_BITS = 4095;

const SPACES: ReadonlySet<string> = new Set(['b-w', 'cmyk', 'grey16', 'rgb', 'rgb16', 'srgb']);

// One libvips thread per image (workers run several loader threads), and no cache of operations that never repeat.
sharp.concurrency(1);
sharp.cache(false);

/** Returns the versions and limits that decide how image files become pixels; part of a job's identity. */
export function imageBuild(): {
  readonly sharp: string;
  readonly vips: string;
  readonly imageRule: number;
  readonly maxImagePixels: number;
} {
  return { sharp: sharp.versions.sharp, vips: sharp.versions.vips, imageRule: IMAGE_RULE, maxImagePixels: maxImagePixels() };
}

/** Pixels [height, width, channels]. */
export interface DecodedImage {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3;
}

/** Reason why an image file cannot be decoded, as given by the decoder. */
export interface BrokenImage {
  readonly broken: string;
}

/**
 * Decodes the box of an image file that `chooseBox` picks, to the values of Pillow's `Image.open` and `convert`:
 *
 * - upright, by the EXIF orientation; the first frame or page when there are several;
 * - alpha is dropped and colours stay as stored, including those of transparent pixels;
 * - colour profiles are not applied; CMYK becomes RGB by complement;
 * - of 16 bits the upper eight are taken. Other value types, and 16-bit images that use no more than twelve bits, are refused.
 *
 * Grey files have one channel, all others three. Returns the reason when the image is broken, truncated before the end of the box, larger
 * than {@link maxImagePixels} or refused.
 *
 * @param chooseBox receives the upright width and height in pixels; default: the whole image.
 */
export async function decodeImage({
  bytes,
  chooseBox = (width, height) => ({ left: 0, top: 0, width, height }),
}: {
  readonly bytes: Uint8Array;
  readonly chooseBox?: ((width: number, height: number) => CropBox) | undefined;
}): Promise<DecodedImage | BrokenImage> {
  const options = { failOn: 'error', limitInputPixels: false, ignoreIcc: true } as const;
  try {
    const metadata = await sharp(bytes, options).metadata();
    const refused = refusalOf(metadata);
    if (refused !== undefined) return { broken: refused };
    const { autoOrient, orientation = 1 } = metadata;
    const box = chooseBox(autoOrient.width, autoOrient.height);
    const image = sharp(bytes, options);
    const upright = orientation > 1 ? image.autoOrient() : image;
    return await (metadata.depth === 'ushort' ? decodeDeep(upright, metadata, box) : decodeEightBits(upright, metadata, box));
  } catch (error) {
    if (isMaestroError(error)) throw error;
    return { broken: errorMessage(error) };
  }
}

/** Returns the reason why an image is refused, judged by its header. */
function refusalOf({ format, width, height, space, depth, channels }: Metadata): string | undefined {
  const limit = maxImagePixels();
  if (!FORMATS.has(format)) return `it is of format ${format}, expected one of JPEG, PNG, WebP, TIFF, GIF, AVIF`;
  if (width * height > limit)
    return `it has ${width} x ${height} pixels, which exceeds the limit of ${limit}; MAESTRO_MAX_IMAGE_PIXELS sets another`;
  if (Math.max(width, height) > MAX_SIDE) return `it has ${width} x ${height} pixels, a side may have ${MAX_SIDE}`;
  const isDeep = depth === 'ushort';
  if (depth !== 'uchar' && !isDeep)
    return `its values are of type ${VALUE_TYPES[depth] ?? depth}, for which no range is agreed: convert it to 8 or 16 bits`;
  if (!SPACES.has(space) || (isDeep && space === 'cmyk'))
    return `its colour space is ${space} (${channels} channels of ${isDeep ? 16 : 8} bits): convert it to grey or RGB`;
  return undefined;
}

/** Readable names of libvips's value types. */
const VALUE_TYPES: Readonly<Record<string, string>> = {
  char: 'signed 8-bit integer',
  short: 'signed 16-bit integer',
  int: 'signed 32-bit integer',
  uint: 'unsigned 32-bit integer',
  float: '32-bit floating point',
  double: '64-bit floating point',
};

async function decodeEightBits(image: Sharp, { space }: Metadata, box: CropBox): Promise<DecodedImage | BrokenImage> {
  const isCmyk = space === 'cmyk';
  const cut = image.extract(box);
  const values = isCmyk
    ? cut.pipelineColourspace('cmyk').toColourspace('cmyk')
    : cut.toColourspace(space === 'b-w' ? 'b-w' : 'srgb').removeAlpha();
  const { data, info } = await values.raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true });
  const { width, height, channels } = info;
  if (isCmyk && channels === 4) return { data: cmykToRgb(data), width, height, channels: 3 };
  if (channels !== 1 && channels !== 3) return { broken: `it has ${channels} channels, expected grey or RGB, with or without alpha` };
  return { data, width, height, channels };
}

/** Decodes the whole image: whether it uses all sixteen bits is a property of all its pixels. */
async function decodeDeep(image: Sharp, { space }: Metadata, box: CropBox): Promise<DecodedImage | BrokenImage> {
  const deepSpace = space === 'grey16' || space === 'b-w' ? 'grey16' : 'rgb16';
  const { data, info } = await image.toColourspace(deepSpace).removeAlpha().raw({ depth: 'ushort' }).toBuffer({ resolveWithObject: true });
  const { channels } = info;
  if (channels !== 1 && channels !== 3) return { broken: `it has ${channels} channels, expected grey or RGB, with or without alpha` };
  const values = new Uint16Array(data.buffer, data.byteOffset, data.length / 2);
  let most = 0;
  for (let i = 0; i < values.length; i++) if (values[i]! > most) most = values[i]!;
  if (most > 0 && most <= MOST_OF_TWELVE_BITS)
    return {
      broken: `its largest value is ${most}: it holds 12 bits or fewer in 16 and would be nearly black; scale its values to 0..65535`,
    };
  const { left, top, width, height } = box;
  const rowLength = width * channels;
  const upper = new Uint8Array(height * rowLength);
  for (let y = 0; y < height; y++) {
    const from = ((top + y) * info.width + left) * channels;
    for (let i = 0; i < rowLength; i++) upper[y * rowLength + i] = values[from + i]! >> 8;
  }
  return { data: upper, width, height, channels };
}

/** Converts an image to `channels`: grey to three equal ones, colour to luma. */
export function withChannels(image: DecodedImage, channels: 1 | 3): DecodedImage {
  if (image.channels === channels) return image;
  return { ...image, channels, data: channels === 1 ? toLuma(image.data) : toThreeChannels(image.data) };
}

/** Shrinks an image so that its shorter side has `shorterSide` pixels, the longer one rounded; a smaller image is returned unchanged. */
export function reduceImage(image: DecodedImage, shorterSide: number, resampler: Resampler = createResampler()): DecodedImage {
  const { data, width, height, channels } = image;
  const shorter = Math.min(width, height);
  if (shorter <= shorterSide) return image;
  const scaled = (side: number): number => Math.round((side * shorterSide) / shorter);
  const size = { width: scaled(width), height: scaled(height) };
  return { ...size, channels, data: resampler.resample(data, width, channels, { left: 0, top: 0, width, height }, size).slice() };
}

/** Encodes `pixels` ([height, width, channels]) as PNG. */
export async function encodePng(pixels: Uint8Array, width: number, height: number, channels: 1 | 3 = 3): Promise<Uint8Array> {
  return sharp(pixels, { raw: { width, height, channels } }).png().toBuffer();
}
