/** A tensor of an exported model, as callers of a runtime see it. */
export interface ExportedPort {
  readonly name: string;
  /** `N` is the number of images. */
  readonly shape: readonly (number | string)[];
}

/** Result of an export. */
export interface ExportedWeights {
  readonly file: string;
  readonly sizeBytes: number;
  readonly step: number;
  readonly checkpointHash: string;
  readonly input: ExportedPort;
  readonly output: ExportedPort;
  /** Pixels are to be given as (value / 255 - mean) / std, per channel. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** A file format that weights go to. Formats load what they need when they are used: the list itself is light. */
export interface WeightFormat {
  /** As in `--format`. */
  readonly id: string;
  /** One clause for help texts: the contents of the file. */
  readonly does: string;
  /** File name when none is given. */
  readonly fileName: string;
  /**
   * Exports the checkpoint in the folder or object store `checkpoint` to `file`.
   * @throws MaestroError `checkpoint-invalid` when the checkpoint does not verify, `invalid-argument` when the format cannot hold it.
   */
  write(checkpoint: string, file: string): Promise<ExportedWeights>;
}
