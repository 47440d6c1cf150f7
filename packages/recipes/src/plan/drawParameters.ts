import type { FlatLayout } from '@maestro/mae';
import { randomStream } from '@maestro/random';
import type { RecipePlan } from './recipePlan.ts';

/**
 * Draws what a job's parameters are at first, into a flat vector that is zero. Tensor i of the layout draws from the stream {seed, purpose
 * 'init', index i}, so that any of them can be drawn by itself.
 */
export function drawParameters(plan: Pick<RecipePlan, 'drawParameter'>, layout: FlatLayout, seed: number, out: Float32Array): Float32Array {
  for (const [index, tensor] of layout.tensors.entries()) {
    plan.drawParameter(tensor, randomStream({ seed, purpose: 'init', index }), out.subarray(tensor.offset, tensor.offset + tensor.size));
  }
  return out;
}
