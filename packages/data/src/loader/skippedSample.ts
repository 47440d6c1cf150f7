/** A sample that could not be decoded. */
export interface SkippedSample {
  readonly index: number;
  readonly name: string;
  readonly reason: string;
}
