import { z } from 'zod';
import { AUDIT_VERDICTS, type JobAudit } from '../audit.ts';
import { JOB_STATES } from '../job/jobs.ts';
import { countSchema, jobIdSchema } from './primitives.ts';

const samples = {
  expected: countSchema.describe('samples of the committed steps, by the permutation'),
  images: countSchema.describe('samples read and trained on'),
  skipped: countSchema.describe('samples consumed that could not be decoded'),
  missing: countSchema,
  duplicates: countSchema,
  mismatches: countSchema.describe('rows whose samples differ from the plan'),
};

/** Result of the audit that every sample of a job's committed steps was taken exactly once, and by whom. */
export const auditResourceSchema = z
  .object({
    jobId: jobIdSchema,
    name: z.string(),
    state: z.enum(JOB_STATES),
    verdict: z
      .enum(AUDIT_VERDICTS)
      .describe(
        'incomplete: the record lacks steps that the job has committed; unclean: samples are missing, duplicated or not as planned',
      ),
    isClean: z.boolean(),
    firstStep: countSchema.describe('steps done before this job, which resumed from a checkpoint'),
    step: countSchema.describe('steps committed, those included'),
    dueStep: countSchema.describe('steps that must be committed, because the job has ended or written checkpoints of them'),
    totalSteps: countSchema,
    generation: countSchema,
    samples: countSchema.describe('samples in the data set'),
    ...samples,
    unknownSteps: countSchema.describe('committed steps whose worker is unknown'),
    redoneSteps: countSchema,
    dataDigest: z
      .string()
      .describe(
        'digest of the bytes of every sample consumed: equal for equal jobs on equal data; empty if it is not known for every step',
      ),
    ledgerBytes: countSchema.describe('size of the ledger in Redis'),
    epochs: z.array(
      z.object({
        epoch: countSchema,
        firstStep: countSchema,
        steps: countSchema,
        isComplete: z.boolean(),
        isFolded: z.boolean().describe('the ledger stores the epoch as one row'),
        ...samples,
      }),
    ),
    workers: z.array(z.object({ id: z.string(), images: countSchema, share: z.number().describe('of all images, 0 to 1') })),
    problems: z.array(z.string()).describe('the first 100 problems as text'),
    problemCount: countSchema,
  })
  .meta({ id: 'Audit' });

/** See {@link auditResourceSchema}. */
export type AuditResource = z.infer<typeof auditResourceSchema>;

/** Converts an audit to its resource. */
export function auditResource({ epochs, workers, problems, state, ...audit }: JobAudit): AuditResource {
  return { ...audit, state: state as AuditResource['state'], epochs: [...epochs], workers: [...workers], problems: [...problems] };
}
