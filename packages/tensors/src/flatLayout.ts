import { elementCount, type ModelParameter, type ParameterSpec, parameterSpec } from './parameterSpec.ts';

/** A tensor's place in a flat vector; `offset` and `size` count float32 elements. */
export interface FlatTensor extends ParameterSpec {
  /** Its place in the list that the layout was made from, whatever is trainable: initial values are drawn by it. */
  readonly index: number;
  /** A multiple of {@link FLAT_ALIGNMENT}. */
  readonly offset: number;
  readonly size: number;
}

/** Where tensors lie in a flat vector. Padding between them stays zero. */
export interface FlatLayout {
  readonly tensors: readonly FlatTensor[];
  /** Length of the vector in float32 elements, a multiple of {@link FLAT_ALIGNMENT}. */
  readonly length: number;
}

/**
 * Where the parameters of a model lie. Those that are trainable come first: gradients, their sum and the moments are vectors of
 * `trainable`, which is a prefix, so that an element of theirs has the place that its parameter has.
 */
export interface ParameterLayout extends FlatLayout {
  readonly trainable: FlatLayout;
}

/** Tensors start at multiples of this many float32 elements: 64 bytes, a cache line and the widest SIMD register. */
export const FLAT_ALIGNMENT = 16;

/** Lays tensors out one after the other, the trainable ones first, each aligned to {@link FLAT_ALIGNMENT}. */
export function flatLayout(parameters: readonly ModelParameter[]): ParameterLayout {
  const indexed = parameters.map(({ name, shape, ...group }, index) => ({ ...parameterSpec(name, shape, group), index }));
  const trainable = place(indexed.filter((spec) => spec.trainable));
  const frozen = place(
    indexed.filter((spec) => !spec.trainable),
    trainable.length,
  );
  return { tensors: [...trainable.tensors, ...frozen.tensors], length: frozen.length, trainable };
}

function place(specs: readonly Omit<FlatTensor, 'offset' | 'size'>[], start = 0): FlatLayout {
  let length = start;
  const tensors = specs.map((spec) => {
    const size = elementCount(spec.shape);
    const placed = { ...spec, offset: length, size };
    length = Math.ceil((length + size) / FLAT_ALIGNMENT) * FLAT_ALIGNMENT;
    return placed;
  });
  return { tensors, length };
}
