/** One trainable parameter in the flat vectors: `size` float32 elements from `offset` (a multiple of 16) on. */
export interface FlatTensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** Whether AdamW's weight decay applies. */
  readonly decay: boolean;
  readonly offset: number;
  readonly size: number;
}

/** Where each parameter lies in the flat parameter, gradient and moment vectors of `length` float32 elements; padding stays zero. */
export interface FlatLayout {
  readonly tensors: readonly FlatTensor[];
  readonly length: number;
}
