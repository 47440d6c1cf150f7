/** Element types of a batch input, with their array types. Names are spelled as in ONNX. */
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

/** A model's input for each sample, besides its parameters: [count, ...shape] for a batch, under the input's name. */
export interface BatchInput {
  readonly name: string;
  readonly dtype: BatchDtype;
  /** Shape of one sample. */
  readonly shape: readonly number[];
}

/** Returns the elements of an input per sample. */
export function elementsOf({ shape }: Pick<BatchInput, 'shape'>): number {
  return shape.reduce((product, dim) => product * dim, 1);
}

/** Returns the bytes of all inputs per sample. */
export function bytesPerSample(inputs: readonly BatchInput[]): number {
  return inputs.reduce((bytes, input) => bytes + elementsOf(input) * BATCH_ARRAYS[input.dtype].BYTES_PER_ELEMENT, 0);
}

/** Views `length` elements of an input in `buffer`, starting at `byteOffset`; no copy. */
export function viewOf({ dtype }: Pick<BatchInput, 'dtype'>, buffer: ArrayBufferLike, byteOffset: number, length: number): BatchView {
  return new BATCH_ARRAYS[dtype](buffer as ArrayBuffer, byteOffset, length);
}

/** Returns the element type of an array; undefined for one of another kind. Arrays of other realms count too. */
export function dtypeOf(view: BatchView): BatchDtype | undefined {
  return (Object.keys(BATCH_ARRAYS) as BatchDtype[]).find((dtype) => BATCH_ARRAYS[dtype].name === view[Symbol.toStringTag]);
}
