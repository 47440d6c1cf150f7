/** What a part of the comparison with peers is told. */
export interface PartOptions {
  /** Most pairs. */
  readonly most: number;
  /** Tells what was measured. */
  readonly log: (line: string) => void;
}
