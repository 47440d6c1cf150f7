import { type Arena, openArena } from '@maestro/kernels';
import { BATCH_ARRAYS, type BatchInput, type BatchView, type BatchViews, elementsOf, MaestroError, viewOf } from '@maestro/protocol';
import { requireInput } from '../gradients/parameterFeeds.ts';
import type { MicroBatchInput, TrainerHostOptions } from './trainerMessages.ts';

/** The engine's own input of a training model: the weight of the micro batch. */
export const GRAD_SCALE = 'grad_scale';

/** Where the inputs of a micro batch lie while it is computed, and where its loss is written: one memory, for all batches. */
export class MicroBatchMemory {
  /** By input, room for the largest batch. */
  readonly views: BatchViews;
  readonly loss: Float32Array;
  /** By output, [1] each. */
  readonly sums: Readonly<Record<string, Float32Array>>;
  readonly #gradScale: Float32Array;
  readonly #inputs: readonly BatchInput[];
  readonly #microBatch: number;

  constructor({ inputs, sums, microBatch }: Pick<TrainerHostOptions, 'inputs' | 'sums' | 'microBatch'>) {
    const floats = (input: BatchInput): number =>
      Math.ceil((microBatch * elementsOf(input) * BATCH_ARRAYS[input.dtype].BYTES_PER_ELEMENT) / Float32Array.BYTES_PER_ELEMENT);
    // Ranges go by their place, since an input may have any name.
    const sizes = Object.fromEntries(inputs.map((input, i) => [String(i), floats(input)]));
    const { ranges }: Arena = openArena({
      ranges: { ...sizes, gradScale: 1, loss: 1, ...Object.fromEntries(sums.map((_, i) => [`sum${i}`, 1])) },
    });
    this.#inputs = inputs;
    this.#microBatch = microBatch;
    this.views = Object.fromEntries(
      inputs.map((input, i) => {
        const { buffer, byteOffset } = ranges[String(i)]!;
        return [input.name, viewOf(input, buffer, byteOffset, microBatch * elementsOf(input))];
      }),
    );
    this.#gradScale = ranges['gradScale']!;
    this.loss = ranges['loss']!;
    this.sums = Object.fromEntries(sums.map((name, i) => [name, ranges[`sum${i}`]!]));
  }

  /** Copies a batch in. @throws MaestroError `invalid-argument` when it does not fit. */
  set({ inputs, count, gradScale }: Pick<MicroBatchInput, 'inputs' | 'count' | 'gradScale'>): void {
    if (!Number.isInteger(count) || count < 1 || count > this.#microBatch) {
      throw new MaestroError('invalid-argument', `forwardBackward: count must be in 1..${this.#microBatch}, found ${count}`);
    }
    for (const input of this.#inputs) {
      const given = requireInput('forwardBackward', input, inputs, count);
      copyElements(this.views[input.name]!, given, count * elementsOf(input));
    }
    this.#gradScale[0] = gradScale;
  }

  /** The inputs by name for `count` samples, as whoever runs the graph makes tensors. */
  inputs<Tensor>(count: number, tensor: (view: BatchView, dims: readonly number[]) => Tensor): Record<string, Tensor> {
    const own = this.#inputs.map((input) => {
      const view = this.views[input.name]!.subarray(0, count * elementsOf(input));
      return [input.name, tensor(view, [count, ...input.shape])] as const;
    });
    return { ...Object.fromEntries(own), [GRAD_SCALE]: tensor(this.#gradScale, []) };
  }
}

/** Copies the first `length` elements; both arrays are of one type, which {@link requireInput} has seen. */
function copyElements(target: BatchView, source: BatchView, length: number): void {
  (target as Float32Array).set((source as Float32Array).subarray(0, length));
}
