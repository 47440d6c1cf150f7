import type { Graph, Tensor } from '@maestro/graph';
import type { BatchInput } from '@maestro/protocol';
import type { PatchGeometry } from './geometry.ts';

/** Looks a parameter up by its name in the checkpoints. */
export type Parameters = (name: string) => Tensor;

/** The symbol of the number of images in a model's shapes. */
export const BATCH = 'N';

/** Declares `images`, float32 [N, C, H, W]. */
export function imagesInput(graph: Graph, config: PatchGeometry): Tensor {
  return batchInput(graph, imagesOf(config));
}

/** Declares what each sample has as an input [N, ...shape]. */
export function batchInput(graph: Graph, { name, dtype, shape }: BatchInput): Tensor {
  return graph.input(name, dtype, [BATCH, ...shape]);
}

/** Normalised images: `images`, float32 [C, H, W] of a sample. */
export function imagesOf({ channels, imageSize }: Pick<PatchGeometry, 'channels' | 'imageSize'>): BatchInput {
  return { name: 'images', dtype: 'float32', shape: [channels, imageSize, imageSize] };
}
