import { MaestroError } from '@maestro/protocol';
import { gridSize, type PatchGeometry, patchCount, patchLength } from './geometry.ts';

/**
 * Cuts images into patches: [N, C, H, W] -> [N, L, P] with P = patchSize * patchSize * channels, channel fastest.
 * @throws MaestroError `invalid-argument` when a length is not a whole number of images, or `out` is not as long as `images`.
 */
export function patchify(config: PatchGeometry, images: Float32Array, out: Float32Array = new Float32Array(images.length)): Float32Array {
  const { patchSize, channels } = config;
  forEachRow('patchify', config, images, out, (pixel, value) => {
    for (let i = 0; i < patchSize; i++) out[value + i * channels] = images[pixel + i]!;
  });
  return out;
}

/** Puts patches back together: [N, L, P] -> [N, C, H, W], the inverse of {@link patchify}. */
export function unpatchify(
  config: PatchGeometry,
  patches: Float32Array,
  out: Float32Array = new Float32Array(patches.length),
): Float32Array {
  const { patchSize, channels } = config;
  forEachRow('unpatchify', config, patches, out, (pixel, value) => {
    for (let i = 0; i < patchSize; i++) out[pixel + i] = patches[value + i * channels]!;
  });
  return out;
}

/** Visits each row of pixels of each patch and channel with where it starts among the pixels and among the patch values. */
function forEachRow(
  what: string,
  config: PatchGeometry,
  source: Float32Array,
  out: Float32Array,
  visit: (pixel: number, value: number) => void,
): void {
  const { imageSize, patchSize, channels } = config;
  const grid = gridSize(config);
  const patches = patchCount(config);
  const length = patchLength(config);
  const images = source.length / (patches * length);
  if (!Number.isInteger(images) || out.length !== source.length) {
    throw new MaestroError(
      'invalid-argument',
      `${what}: expected two arrays of a multiple of ${patches * length} elements, found ${source.length} and ${out.length}`,
    );
  }
  for (let n = 0; n < images; n++) {
    for (let c = 0; c < channels; c++) {
      for (let y = 0; y < imageSize; y++) {
        const line = ((n * channels + c) * imageSize + y) * imageSize;
        const band = n * patches + Math.floor(y / patchSize) * grid;
        const inPatch = (y % patchSize) * patchSize * channels + c;
        for (let w = 0; w < grid; w++) visit(line + w * patchSize, (band + w) * length + inPatch);
      }
    }
  }
}
