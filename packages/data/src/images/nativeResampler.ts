import type { NativeImages } from '@maestro/native';
import { toLuma } from './convertPixels.ts';
import type { CropBox } from './cropBox.ts';
import { maxImagePixels } from './maxImagePixels.ts';
import { createResampler, type ImageSize, type Resampler } from './resample.ts';
import { cacheTaps } from './taps.ts';

/** A resampler in C, which also decodes the JPEG files that most data sets have. */
export interface NativeResampler extends Resampler {
  /**
   * Returns the box of a JPEG file that `chooseBox` picks, with at most `channels` channels and resized, as `decodeImage` and `resample`
   * give it; undefined for a file that is left to `decodeImage`. The result is overwritten by the next call.
   */
  resampleJpeg(
    bytes: Uint8Array,
    chooseBox: (width: number, height: number) => CropBox,
    channels: 1 | 3,
    size: ImageSize,
  ): Uint8Array | undefined;
}

/** Creates a resampler with the bits of {@link createResampler}. */
export function createNativeResampler(images: NativeImages): NativeResampler {
  const tapsFor = cacheTaps();
  let narrowed = new Uint8Array(0);
  let out = new Uint8Array(0);
  let whole = new Uint8Array(0);
  /** One extra row: when an entry of taps has an odd number, its last weight is zero. */
  const roomFor = (height: number, rowBytes: number): Uint8Array => {
    const bytes = (height + 1) * rowBytes;
    if (narrowed.length < bytes) narrowed = new Uint8Array(Math.ceil(1.25 * bytes));
    return narrowed;
  };
  /** The second half of a resize: of the rows that were made narrower. */
  const weighDown = (height: number, channels: number, size: ImageSize): Uint8Array => {
    const rowBytes = size.width * channels;
    if (out.length < size.height * rowBytes) out = new Uint8Array(size.height * rowBytes);
    images.weighRows(narrowed, rowBytes, tapsFor(height, size.height), out);
    return out.subarray(0, size.height * rowBytes);
  };
  const resample: Resampler['resample'] = (pixels, rowWidth, channels, box, size) => {
    const rows = roomFor(box.height, size.width * channels);
    images.weighImage(pixels, rowWidth, channels, box, tapsFor(box.width, size.width), rows);
    return weighDown(box.height, channels, size);
  };
  return {
    resample,
    resampleJpeg(bytes, chooseBox, channels, size) {
      const header = images.jpegSize(bytes);
      if (header === undefined || header.width * header.height > maxImagePixels()) return undefined;
      const box = chooseBox(header.width, header.height);
      const { width, height } = box;
      if (header.channels <= channels && !header.isTurned) {
        const rows = roomFor(height, size.width * header.channels);
        if (!images.decodeJpeg(bytes, box, rows, tapsFor(width, size.width))) return undefined;
        return weighDown(height, header.channels, size);
      }
      const byteCount = header.channels * width * height;
      if (whole.length < byteCount) whole = new Uint8Array(byteCount);
      if (!images.decodeJpeg(bytes, box, whole)) return undefined;
      const pixels = whole.subarray(0, byteCount);
      const all = { left: 0, top: 0, width, height };
      // Colours become grey before they are resized.
      return header.channels > channels
        ? resample(toLuma(pixels), width, 1, all, size)
        : resample(pixels, width, header.channels, all, size);
    },
  };
}
