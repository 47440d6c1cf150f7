/** Audit result of one epoch; counts are in samples unless stated otherwise. */
export interface AuditEpoch {
  readonly epoch: number;
  /** Index of this job's first committed step in the epoch, and the number of committed steps. */
  readonly firstStep: number;
  readonly steps: number;
  /** True when all steps of the epoch are committed. */
  readonly isComplete: boolean;
  /** True when the ledger keeps the epoch as one row. */
  readonly isFolded: boolean;
  /** Samples of the committed steps, by the permutation. */
  readonly expected: number;
  /** Samples that were read and trained on. */
  readonly images: number;
  /** Samples that were taken but could not be decoded. */
  readonly skipped: number;
  readonly missing: number;
  readonly duplicates: number;
  /** Rows whose samples were not the planned ones. */
  readonly mismatches: number;
}

/**
 * Verdicts of an audit: `incomplete` when the record lacks steps that the job has done, and nothing else is wrong; `unclean` when samples
 * are missing, taken twice or not the planned ones, or the record contradicts itself.
 */
export const AUDIT_VERDICTS = ['clean', 'incomplete', 'unclean'] as const;

/** A name in {@link AUDIT_VERDICTS}. */
export type AuditVerdict = (typeof AUDIT_VERDICTS)[number];

/** Result of an audit: was every sample of a job's steps taken exactly once, and by whom. Counts as in {@link AuditEpoch}. */
export interface AuditReport {
  readonly verdict: AuditVerdict;
  /** True when the verdict is `clean`. */
  readonly isClean: boolean;
  /** Steps done before this job, which resumed from them. */
  readonly firstStep: number;
  /** Steps committed, including those. */
  readonly step: number;
  /** Steps that must be committed: all of a succeeded job, otherwise those that it has reported or written checkpoints of. */
  readonly dueStep: number;
  readonly totalSteps: number;
  readonly generation: number;
  /** Samples in the data set. */
  readonly samples: number;
  readonly expected: number;
  readonly images: number;
  readonly skipped: number;
  readonly missing: number;
  readonly duplicates: number;
  readonly mismatches: number;
  /** Committed steps of which it is no longer known who did them; their samples are taken from the plan. */
  readonly unknownSteps: number;
  /** Steps that were recomputed because their weights were lost with all workers. */
  readonly redoneSteps: number;
  /**
   * Digest (13 hexadecimal digits) of the bytes of every sample taken by the committed steps: equal for equal jobs on equal data,
   * regardless of the number of workers. Empty when it is not known for every step.
   */
  readonly dataDigest: string;
  readonly epochs: readonly AuditEpoch[];
  readonly workers: readonly AuditWorker[];
  /** Descriptions of the first 100 problems. */
  readonly problems: readonly string[];
  readonly problemCount: number;
}

/** A worker's part in a job. */
export interface AuditWorker {
  readonly id: string;
  readonly images: number;
  /** Share of all images, 0 to 1. */
  readonly share: number;
}

/** An audit as the job API returns it. */
export interface JobAudit extends AuditReport {
  readonly jobId: string;
  readonly name: string;
  readonly state: string;
  /** Bytes of the ledger in Redis. */
  readonly ledgerBytes: number;
}
