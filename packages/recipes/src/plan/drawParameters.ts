import { randomStream } from '@maestro/random';
import type { FlatLayout } from '@maestro/tensors';
import type { RecipePlan } from './recipePlan.ts';

/**
 * Draws what a job's parameters are at first, into a flat vector that is zero. Tensor i of the plan draws from the stream {seed, purpose
 * 'init', index i}, so that any of them can be drawn by itself, and what is frozen changes nothing. `onBegin` is called before each.
 */
export function drawParameters(
  plan: Pick<RecipePlan, 'drawParameter'>,
  layout: FlatLayout,
  seed: number,
  out: Float32Array,
  onBegin: (tensor: number) => void = () => undefined,
): Float32Array {
  for (const [at, tensor] of layout.tensors.entries()) {
    onBegin(at);
    plan.drawParameter(
      tensor,
      randomStream({ seed, purpose: 'init', index: tensor.index }),
      out.subarray(tensor.offset, tensor.offset + tensor.size),
    );
  }
  return out;
}
