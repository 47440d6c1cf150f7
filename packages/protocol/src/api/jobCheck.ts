import { z } from 'zod';
import { jobFileSchema, jobSpecSchema } from '../jobSpec.ts';

/** The answer to a dry run: the job file as it would be taken. */
export const jobCheckSchema = z
  .object({ dryRun: z.literal(true), spec: jobSpecSchema.describe('the job file with every default filled in') })
  .meta({ id: 'JobCheck' });

/** The JSON Schema (draft 2020-12) of the job file, for forms and editors. */
export function jobFileJsonSchema(): Record<string, unknown> {
  return z.toJSONSchema(jobFileSchema, { io: 'input', unrepresentable: 'any' }) as Record<string, unknown>;
}
