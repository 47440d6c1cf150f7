import { type Arena, openArena } from '@maestro/kernels';
import { MaestroError } from '@maestro/protocol';
import type { MicroBatchInput, TrainerHostOptions } from './trainerMessages.ts';

/** Where the inputs of a micro batch lie while it is computed, and where its loss is written: one memory, for all batches. */
export class MicroBatchMemory {
  /** [count, C, H, W] at most. */
  readonly images: Float32Array;
  /** [count, L] at most. */
  readonly idsShuffle: BigInt64Array;
  readonly gradScale: Float32Array;
  readonly loss: Float32Array;
  readonly #options: TrainerHostOptions;

  constructor(options: TrainerHostOptions) {
    const { imageShape, patches, microBatch } = options;
    const sizes = { images: microBatch * sizeOf(imageShape), idsShuffle: 2 * microBatch * patches, gradScale: 1, loss: 1 };
    const { ranges }: Arena<keyof typeof sizes> = openArena({ ranges: sizes });
    this.#options = options;
    this.images = ranges.images;
    this.idsShuffle = new BigInt64Array(ranges.idsShuffle.buffer, ranges.idsShuffle.byteOffset, microBatch * patches);
    this.gradScale = ranges.gradScale;
    this.loss = ranges.loss;
  }

  /** Copies a batch in. @throws MaestroError `invalid-argument` when it does not fit. */
  set({ images, idsShuffle, count, gradScale }: MicroBatchInput): void {
    const { microBatch } = this.#options;
    if (!Number.isInteger(count) || count < 1 || count > microBatch) {
      throw new MaestroError('invalid-argument', `forwardBackward: count must be in 1..${microBatch}, found ${count}`);
    }
    const expected = this.#sizes(count);
    if (images.length < expected.images || idsShuffle.length < expected.idsShuffle) {
      throw new MaestroError(
        'invalid-argument',
        `forwardBackward: ${count} samples need ${expected.images} image floats and ${expected.idsShuffle} ids, found ` +
          `${images.length} and ${idsShuffle.length}`,
      );
    }
    this.images.set(images.subarray(0, expected.images));
    this.idsShuffle.set(idsShuffle.subarray(0, expected.idsShuffle));
    this.gradScale[0] = gradScale;
  }

  /** The inputs by name for `count` samples, as whoever runs the graph makes tensors. */
  inputs<Tensor>(count: number, tensor: (view: Float32Array | BigInt64Array, dims: readonly number[]) => Tensor): Record<string, Tensor> {
    const { imageShape, patches } = this.#options;
    const sizes = this.#sizes(count);
    return {
      images: tensor(this.images.subarray(0, sizes.images), [count, ...imageShape]),
      ids_shuffle: tensor(this.idsShuffle.subarray(0, sizes.idsShuffle), [count, patches]),
      grad_scale: tensor(this.gradScale, []),
    };
  }

  #sizes(count: number): { readonly images: number; readonly idsShuffle: number } {
    const { imageShape, patches } = this.#options;
    return { images: count * sizeOf(imageShape), idsShuffle: count * patches };
  }
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, dim) => product * dim, 1);
}
