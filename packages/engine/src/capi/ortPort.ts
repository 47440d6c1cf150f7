/** An input or output of a graph. `shape` has -1 for what is open; a value that is no tensor has no element type. */
export interface OrtPort {
  readonly name: string;
  readonly isTensor: boolean;
  readonly element: number;
  readonly shape: readonly number[];
}
