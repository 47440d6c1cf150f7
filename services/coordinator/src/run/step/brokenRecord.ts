import type { SkippedImage } from '@maestro/protocol';

/** Broken images among the committed steps of one epoch. Each sample is taken once in an epoch, so they are distinct. */
export interface BrokenImages {
  readonly epoch: number;
  readonly count: number;
  /** Some that members named, of whichever epoch. */
  readonly named: readonly SkippedImage[];
}

/** How far a job's ledger is: its steps, and the broken images in the epoch of the last one. */
export interface LedgerProgress {
  readonly step: number;
  readonly epoch: number;
  readonly broken: number;
}
