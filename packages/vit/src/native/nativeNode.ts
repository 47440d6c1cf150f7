import { type Attributes, CUSTOM_DOMAIN, type Dims, type Tensor } from '@maestro/graph';
import { type NativeLayer, nativeOperator, type Precision } from '@maestro/native/operators';

/** Appends the native operator of a layer; `dims` are the shapes of its outputs, in order. */
export function nativeNode(
  layer: NativeLayer,
  precision: Precision,
  inputs: readonly Tensor[],
  dims: readonly Dims[],
  attributes: Attributes = {},
): readonly Tensor[] {
  const { name, outputs } = nativeOperator(layer, precision);
  const types = outputs.map((port, i) => ({ dtype: port.endsWith(':b') ? 'bfloat16' : 'float32', dims: dims[i]! }) as const);
  return inputs[0]!.graph.addNode(`${CUSTOM_DOMAIN.name}.${name}`, inputs, attributes, types);
}
