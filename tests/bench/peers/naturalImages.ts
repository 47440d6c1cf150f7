import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { randomStream } from '@maestro/random';
import sharp from 'sharp';

/** Sides of the coarsest and the finest structure, in cells along the width of an image. */
const COARSEST_CELLS = 4;
const FINEST_PIXELS = 1;
/** Gives about 0.5 bytes a pixel, as photographs of ImageNet have. */
const JPEG_QUALITY = 95;

/**
 * Writes `count` JPEG files of `width` x `height` to `dir`: sums of noise of all scales, the strength of each inversely as its frequency, which
 * is the spectrum of photographs, so that they compress and decode as those do.
 */
export async function writeNaturalImages(
  dir: string,
  { count, width, height }: { readonly count: number; readonly width: number; readonly height: number },
): Promise<{ readonly bytesPerPixel: number }> {
  await mkdir(dir, { recursive: true });
  let bytes = 0;
  for (let n = 0; n < count; n++) {
    const random = randomStream({ seed: n, purpose: 'probe' });
    const sum = new Float32Array(3 * width * height).fill(128);
    for (let cells = COARSEST_CELLS; cells <= width / FINEST_PIXELS; cells *= 2) {
      const size = { width: cells, height: Math.max(1, Math.round((cells * height) / width)) };
      const noise = Uint8Array.from({ length: 3 * size.width * size.height }, () => 256 * random.uniform());
      const layer = await sharp(noise, { raw: { ...size, channels: 3 } })
        .resize(width, height, { kernel: 'cubic', fit: 'fill' })
        .raw()
        .toBuffer();
      const strength = Math.min(0.8, (0.8 * COARSEST_CELLS) / cells + 0.15);
      for (let i = 0; i < sum.length; i++) sum[i]! += strength * (layer[i]! - 128);
    }
    const file = await sharp(Uint8ClampedArray.from(sum), { raw: { width, height, channels: 3 } })
      .jpeg({ quality: JPEG_QUALITY })
      .toBuffer();
    bytes += file.length;
    await writeFile(join(dir, `${String(n).padStart(4, '0')}.jpg`), file);
  }
  return { bytesPerPixel: bytes / (count * width * height) };
}
