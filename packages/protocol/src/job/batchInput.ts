/** Element types of a batch input, with the array that holds them. They are spelled as in ONNX. */
export const BATCH_ARRAYS = {
  float32: Float32Array,
  int32: Int32Array,
  int64: BigInt64Array,
  uint8: Uint8Array,
} as const;

/** A key of {@link BATCH_ARRAYS}. */
export type BatchDtype = keyof typeof BATCH_ARRAYS;

/** Values of one input. */
export type BatchView = Float32Array | Int32Array | BigInt64Array | Uint8Array;

/** Values of every input, by its name. */
export type BatchViews = Readonly<Record<string, BatchView>>;

/** What a model is given for each sample beside its parameters, under the input's name: [count, ...shape] for a batch. */
export interface BatchInput {
  readonly name: string;
  readonly dtype: BatchDtype;
  /** Of one sample. */
  readonly shape: readonly number[];
}

/** Elements that one sample has of an input. */
export function elementsOf({ shape }: Pick<BatchInput, 'shape'>): number {
  return shape.reduce((product, dim) => product * dim, 1);
}

/** Bytes that one sample has of all inputs. */
export function bytesPerSample(inputs: readonly BatchInput[]): number {
  return inputs.reduce((bytes, input) => bytes + elementsOf(input) * BATCH_ARRAYS[input.dtype].BYTES_PER_ELEMENT, 0);
}

/** The values of `length` elements of an input in `buffer`, from `byteOffset` on; a view, not a copy. */
export function viewOf({ dtype }: Pick<BatchInput, 'dtype'>, buffer: ArrayBufferLike, byteOffset: number, length: number): BatchView {
  return new BATCH_ARRAYS[dtype](buffer as ArrayBuffer, byteOffset, length);
}

/** The element type of an array; undefined for one of another kind. Arrays of other realms count too. */
export function dtypeOf(view: BatchView): BatchDtype | undefined {
  return (Object.keys(BATCH_ARRAYS) as BatchDtype[]).find((dtype) => BATCH_ARRAYS[dtype].name === view[Symbol.toStringTag]);
}
