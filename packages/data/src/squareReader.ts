import type { CropBox } from './cropBox.ts';
import type { Dataset, Sample } from './dataset.ts';
import { type BrokenImage, decodeSquare } from './imageCodec.ts';
import { createResampler } from './resample.ts';

/** Reads samples as squares of one size. */
export interface SquareReader {
  /**
   * The box that `chooseBox` picks of sample `index`, resized to [size, size, 1 or 3 channels],
   * or why the sample is broken.
   *
   * @throws MaestroError `data-invalid` when the sample cannot be read, so that nothing is known of it.
   */
  read(index: number, chooseBox: (width: number, height: number) => CropBox): Promise<Uint8Array | BrokenImage>;
}

/**
 * The one rule of resizing: image files are decoded and resized by sharp; pixels in memory by the resampler, after a
 * padded image smaller than `size` has been centred on black (Fashion-MNIST's 28 x 28 becomes 32 x 32). A square made from pixels is overwritten by the next read.
 */
export function createSquareReader(dataset: Dataset, size: number, channels: 1 | 3): SquareReader {
  const resampler = createResampler(size);
  let padded = new Uint8Array(0);
  return {
    read: async (index, chooseBox) => {
      const sample = await dataset.read(index);
      if (sample.kind === 'encoded') return decodeSquare({ bytes: sample.bytes, size, channels, chooseBox });
      if (sample.kind === 'broken') return { broken: sample.reason };
      const width = sample.isPadded ? Math.max(size, sample.width) : sample.width;
      const height = sample.isPadded ? Math.max(size, sample.height) : sample.height;
      let pixels = sample.data;
      if (width > sample.width || height > sample.height) {
        if (padded.length !== width * height * sample.channels) padded = new Uint8Array(width * height * sample.channels);
        else padded.fill(0);
        centre(sample, padded, width, height);
        pixels = padded;
      }
      return resampler.resample(pixels, width, sample.channels, chooseBox(width, height));
    },
  };
}

/** Writes the image into the middle of `out`, which is black. */
function centre(image: Extract<Sample, { kind: 'pixels' }>, out: Uint8Array, width: number, height: number): void {
  const left = Math.floor((width - image.width) / 2);
  const top = Math.floor((height - image.height) / 2);
  const rowBytes = image.width * image.channels;
  for (let y = 0; y < image.height; y++) {
    const from = y * rowBytes;
    const to = ((top + y) * width + left) * image.channels;
    for (let i = 0; i < rowBytes; i++) out[to + i] = image.data[from + i]!;
  }
}
