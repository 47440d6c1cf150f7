import { MaestroError } from '@maestro/protocol';
import { elementCount, type FlatTensor } from '@maestro/tensors';

/** A named float32 tensor: row-major, `data.length` is the product of `shape`. The data may be in a SharedArrayBuffer. */
export interface NamedTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** Order by Unicode code point, which is the order of the UTF-8 bytes; `<` on strings orders by UTF-16 unit instead. */
export function compareNames(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** Sorts tensors by name and requires distinct well-formed names and shapes of non-negative integers. */
export function sortedTensors<T extends Pick<NamedTensor, 'name' | 'shape'>>(tensors: readonly T[]): T[] {
  const sorted = [...tensors].sort((a, b) => compareNames(a.name, b.name));
  sorted.forEach(({ name, shape }, index) => {
    if (name === '__metadata__' || Buffer.from(name).toString() !== name) {
      const message = `tensor name ${JSON.stringify(name)} cannot be stored: it must be valid Unicode and not __metadata__`;
      throw new MaestroError('invalid-argument', message);
    }
    if (name === sorted[index - 1]?.name) throw new MaestroError('invalid-argument', `tensor ${name} is given twice`);
    if (!shape.every((extent) => Number.isSafeInteger(extent) && extent >= 0)) {
      throw new MaestroError('invalid-argument', `tensor ${name} has the shape [${shape.join(', ')}], expected non-negative integers`);
    }
  });
  return sorted;
}

/**
 * Returns the bytes of a tensor's values without a copy: little-endian, as on every platform that ONNX Runtime is built for.
 *
 * @throws MaestroError `invalid-argument` when the number of values does not fit the shape
 */
export function valueBytes({ name, shape, data }: NamedTensor): Uint8Array {
  if (elementCount(shape) !== data.length) {
    throw new MaestroError('invalid-argument', `tensor ${name}: shape [${shape.join(', ')}] does not fit ${data.length} values`);
  }
  return bytesOf(data);
}

/** Returns the bytes of a float32 array without a copy. */
export function bytesOf(data: Float32Array): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** Where tensors lie in a flat vector: a layout. */
export interface FlatTensors {
  readonly tensors: readonly Pick<FlatTensor, 'name' | 'shape' | 'offset' | 'size'>[];
}

/** The tensors of a flat vector (parameters, or one of the moments), as views of it. */
export function flatTensors({ tensors }: FlatTensors, vector: Float32Array): NamedTensor[] {
  return tensors.map(({ name, shape, offset, size }) => ({ name, shape, data: vector.subarray(offset, offset + size) }));
}
