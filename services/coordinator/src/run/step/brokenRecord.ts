import type { SkippedImage } from '@maestro/protocol';

/** Broken images among the committed steps of one epoch. Each sample is taken once in an epoch, so they are distinct. */
export interface BrokenImages {
  readonly epoch: number;
  readonly count: number;
  /** Some names reported by members, from any epoch. */
  readonly named: readonly SkippedImage[];
}

/** Progress of a job's ledger: its steps, and the broken images in the epoch of the last one. */
export interface LedgerProgress {
  readonly step: number;
  readonly epoch: number;
  readonly broken: number;
}
