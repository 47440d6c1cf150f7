import { type NativeImages, openNativeImages } from '@maestro/native';
import type { Dataset } from '../formats/dataset.ts';
import type { CropBox } from './cropBox.ts';
import { type BrokenImage, type DecodedImage, decodeImage, withChannels } from './imageCodec.ts';
import { createNativeResampler } from './nativeResampler.ts';
import { createResampler } from './resample.ts';

/** Reads samples as squares of one size. */
export interface SquareReader {
  /**
   * Reads the box that `chooseBox` picks of sample `index`, resized to [size, size, 1 or 3 channels], or returns the reason why the sample
   * is broken.
   *
   * @throws MaestroError `data-invalid` when the sample cannot be read, so that nothing is known of it.
   */
  read(index: number, chooseBox: (width: number, height: number) => CropBox): Promise<Uint8Array | BrokenImage>;
}

/**
 * Creates the reader that defines how squares are made, however a sample is stored: {@link decodeImage} for a file, grey by {@link
 * withChannels} when the model has one channel, and then the resampler. A padded image smaller than `size` is first centred on black
 * (Fashion-MNIST's 28 x 28 becomes 32 x 32). Grey samples give one channel. A square is overwritten by the next read.
 *
 * @param images makes the same squares faster; by default what this machine has; null for the portable path.
 */
export function createSquareReader(
  dataset: Dataset,
  size: number,
  channels: 1 | 3,
  images: NativeImages | null | undefined = openNativeImages(),
): SquareReader {
  const native = images ? createNativeResampler(images) : undefined;
  const resampler = native ?? createResampler();
  const square = { width: size, height: size };
  let padded = new Uint8Array(0);
  return {
    read: async (index, chooseBox) => {
      const sample = await dataset.read(index);
      if (sample.kind === 'broken') return { broken: sample.reason };
      if (sample.kind === 'encoded') {
        const made = native?.resampleJpeg(sample.bytes, chooseBox, channels, square);
        if (made !== undefined) return made;
        const cut = await decodeImage({ bytes: sample.bytes, chooseBox });
        if ('broken' in cut) return cut;
        const image = cut.channels > channels ? withChannels(cut, channels) : cut;
        const { width, height } = image;
        return resampler.resample(image.data, width, image.channels, { left: 0, top: 0, width, height }, square);
      }
      const width = sample.isPadded ? Math.max(size, sample.width) : sample.width;
      const height = sample.isPadded ? Math.max(size, sample.height) : sample.height;
      const image = sample.channels > channels ? withChannels(sample, channels) : sample;
      let pixels = image.data;
      if (width > image.width || height > image.height) {
        if (padded.length !== width * height * image.channels) padded = new Uint8Array(width * height * image.channels);
        else padded.fill(0);
        centre(image, padded, width, height);
        pixels = padded;
      }
      return resampler.resample(pixels, width, image.channels, chooseBox(width, height), square);
    },
  };
}

/** Writes the image into the middle of `out`, which is black. */
function centre(image: DecodedImage, out: Uint8Array, width: number, height: number): void {
  const left = Math.floor((width - image.width) / 2);
  const top = Math.floor((height - image.height) / 2);
  const rowBytes = image.width * image.channels;
  for (let y = 0; y < image.height; y++) {
    const from = y * rowBytes;
    const to = ((top + y) * width + left) * image.channels;
    for (let i = 0; i < rowBytes; i++) out[to + i] = image.data[from + i]!;
  }
}
