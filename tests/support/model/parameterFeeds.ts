import type { FlatLayout } from '@maestro/tensors';
import { Tensor } from 'onnxruntime-node';

/** Returns views of a flat vector as named tensors, `prefix` before each name: the form of a model's parameter inputs. Copies nothing. */
export function parameterFeeds({ tensors }: FlatLayout, flat: Float32Array, prefix = ''): Record<string, Tensor> {
  return Object.fromEntries(
    tensors.map(({ name, shape, offset, size }) => [prefix + name, new Tensor('float32', flat.subarray(offset, offset + size), shape)]),
  );
}
