/** What an audit found in one epoch; counts are in samples, except where said. */
export interface AuditEpoch {
  readonly epoch: number;
  /** Index of the first committed step of this job in the epoch, and how many are committed. */
  readonly firstStep: number;
  readonly steps: number;
  /** Whether all steps of the epoch are committed. */
  readonly isComplete: boolean;
  /** Whether the ledger keeps the epoch as one row. */
  readonly isFolded: boolean;
  /** Samples of the committed steps, by the permutation. */
  readonly expected: number;
  /** Samples that were read and trained on. */
  readonly images: number;
  /** Samples that were taken but could not be decoded. */
  readonly skipped: number;
  readonly missing: number;
  readonly duplicates: number;
  /** Rows whose samples were not those planned. */
  readonly mismatches: number;
}

/**
 * What an audit comes to: `incomplete` when the record lacks steps that the job has done, and nothing else is wrong; `unclean` when samples
 * are missing, taken twice or others than planned, or the record contradicts itself.
 */
export const AUDIT_VERDICTS = ['clean', 'incomplete', 'unclean'] as const;

/** A name in {@link AUDIT_VERDICTS}. */
export type AuditVerdict = (typeof AUDIT_VERDICTS)[number];

/** Whether every sample of a job's steps was taken exactly once, and by whom. Counts as in {@link AuditEpoch}. */
export interface AuditReport {
  readonly verdict: AuditVerdict;
  /** Whether the verdict is `clean`. */
  readonly isClean: boolean;
  /** Steps done before this job, which resumed from them. */
  readonly firstStep: number;
  /** Steps committed, those included. */
  readonly step: number;
  /** Steps that must be committed: all of a job that has succeeded, else those that it has reported or written checkpoints of. */
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
  /** Committed steps of which nobody could tell any more who did them; their samples are taken from the plan. */
  readonly unknownSteps: number;
  /** Steps that were computed again because their weights were lost with all workers. */
  readonly redoneSteps: number;
  /**
   * Digest (13 hexadecimal digits) of the bytes of every sample that the committed steps took: equal for equal jobs on equal data, however
   * many workers read it. Empty when it is not known of every step.
   */
  readonly dataDigest: string;
  readonly epochs: readonly AuditEpoch[];
  readonly workers: readonly AuditWorker[];
  /** The first 100 problems in words. */
  readonly problems: readonly string[];
  readonly problemCount: number;
}

/** A worker's part in a job. */
export interface AuditWorker {
  readonly id: string;
  readonly images: number;
  /** Of all images, 0 to 1. */
  readonly share: number;
}

/** An audit as the job API gives it. */
export interface JobAudit extends AuditReport {
  readonly jobId: string;
  readonly name: string;
  readonly state: string;
  /** Memory that the ledger takes in Redis. */
  readonly ledgerBytes: number;
}
