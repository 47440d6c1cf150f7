import { type BatchDtype, type BatchView, dtypeOf, MaestroError } from '@maestro/protocol';
import type { OrtApi, Pointer } from './ortApi.ts';

/** Element types that cross the boundary, as ONNX numbers them. */
export const ELEMENT = { float32: 1, uint8: 2, int32: 6, int64: 7 } as const satisfies Readonly<Record<BatchDtype, number>>;
export type Element = keyof typeof ELEMENT;

/** A dense tensor of ONNX Runtime. `view` keeps the memory alive that it lies over; tensors on a device have none. */
export interface OrtValue {
  readonly pointer: Pointer;
  readonly element: Element;
  readonly dims: readonly number[];
  readonly view: BatchView | undefined;
}

const CPU = 'Cpu';

/** Makes values over memory of this process. */
export interface OrtMemory {
  /** A tensor over `view`, which stays where it is and is kept as long as the value. Nothing is copied. */
  over(view: BatchView, dims: readonly number[]): OrtValue;
  /** The place of this memory, for outputs whose memory ONNX Runtime takes. */
  readonly info: Pointer;
  /** Frees all its values, to which nothing may be bound any more; the memory below them is their owner's. */
  close(): void;
}

/** Opens the memory of this process to ONNX Runtime. */
export function openMemory(api: OrtApi): OrtMemory {
  const info = api.get('CreateMemoryInfo', CPU, 0, 0, 0);
  const values: OrtValue[] = [];
  return {
    info,
    over(view, dims) {
      const element = dtypeOf(view)!;
      const size = sizeOf(dims);
      if (view.length !== size)
        throw new MaestroError('internal', `internal: capi: [${dims}] has ${size} elements, the view ${view.length}`);
      const shape = BigInt64Array.from(dims, BigInt);
      const address = api.addressOf(view);
      const pointer = api.get('CreateTensorWithDataAsOrtValue', info, address, view.byteLength, shape, dims.length, ELEMENT[element]);
      const value: OrtValue = { pointer, element, dims, view };
      values.push(value);
      return value;
    },
    close() {
      for (const { pointer } of values.splice(0)) api.release('Value', pointer);
      api.release('MemoryInfo', info);
    },
  };
}

/** A float32 tensor in memory of `allocator`; what is in it is undefined. */
export function allocate(api: OrtApi, allocator: Pointer, dims: readonly number[]): OrtValue {
  const shape = BigInt64Array.from(dims, BigInt);
  const pointer = api.get('CreateTensorAsOrtValue', allocator, shape, dims.length, ELEMENT.float32);
  return { pointer, element: 'float32', dims, view: undefined };
}

function sizeOf(dims: readonly number[]): number {
  return dims.reduce((product, dim) => product * dim, 1);
}
