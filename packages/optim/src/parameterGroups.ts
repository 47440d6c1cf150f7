import type { ParameterSpec } from '@maestro/tensors';

/** What tensors have in common that share the scalars of a step. */
export type StepGroup = Pick<ParameterSpec, 'lrScale' | 'decay'>;

/** The groups of some tensors, in the order in which they come up, and the group of each tensor as an index into them. */
export interface StepGroups {
  readonly groups: readonly StepGroup[];
  readonly groupOf: readonly number[];
}

/** Finds the groups of `tensors`. */
export function stepGroups(tensors: readonly StepGroup[]): StepGroups {
  const groups: StepGroup[] = [];
  const groupOf = tensors.map(({ lrScale, decay }) => {
    const known = groups.findIndex((group) => group.lrScale === lrScale && group.decay === decay);
    return known >= 0 ? known : groups.push({ lrScale, decay }) - 1;
  });
  return { groups, groupOf };
}

/** Whether the norms of a tensor scale its step, where the optimiser adapts steps: not those of biases and norms. */
export function isAdapted({ shape }: Pick<ParameterSpec, 'shape'>): boolean {
  return shape.length > 1;
}
