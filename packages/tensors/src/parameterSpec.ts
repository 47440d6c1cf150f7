/** One tensor of a model, and how it is trained: its parameter group. */
export interface ParameterSpec {
  readonly name: string;
  readonly shape: readonly number[];
  /** Whether training changes it. One that is frozen has no gradient and no moments, and keeps its bits. */
  readonly trainable: boolean;
  /** What the learning rate is multiplied with for this tensor: 1 for most, less where layers decay. */
  readonly lrScale: number;
  /** Whether weight decay applies. */
  readonly decay: boolean;
}

/** What a parameter's group may say otherwise than {@link parameterSpec} has it. */
export interface ParameterGroup extends Partial<Pick<ParameterSpec, 'trainable' | 'lrScale' | 'decay'>> {}

/** A parameter as a model lists it: with what of its group is not as usual. */
export interface ModelParameter extends Pick<ParameterSpec, 'name' | 'shape'>, ParameterGroup {}

/** A parameter that is trained at the plain learning rate; weight decay applies unless it has one dimension (biases and norms). */
export function parameterSpec(name: string, shape: readonly number[], group: ParameterGroup = {}): ParameterSpec {
  const { trainable = true, lrScale = 1, decay = shape.length > 1 } = group;
  return { name, shape, trainable, lrScale, decay };
}

/** Number of elements of a tensor of this shape; 1 for a scalar (`[]`). */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, extent) => product * extent, 1);
}
