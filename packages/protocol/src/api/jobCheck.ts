import { z } from 'zod';
import { jobFileSchema, jobSpecSchema } from '../job/jobSpec.ts';
import { countSchema } from './primitives.ts';
import { recipeResourceSchema } from './recipeResource.ts';

/** Values derived from a job file and the available workers. Unknown values are absent. */
const jobPlanSchema = z
  .object({
    samples: countSchema.optional().describe('samples per epoch'),
    globalBatch: countSchema.describe('images per optimiser step: virtualRanks x microBatch x accumulation'),
    stepsPerEpoch: countSchema.optional(),
    totalSteps: countSchema.optional(),
    epochs: z.number().optional(),
    learningRate: z.number().optional().describe('the peak: baseLr x batch / 256; absent for a job that does not train'),
    warmupSteps: countSchema.optional().describe('steps until the peak learning rate'),
    parameters: countSchema.describe('of encoder and decoder'),
    encoderParameters: countSchema.describe('of the encoder only, which is what downstream tasks use'),
    memoryBytes: countSchema.describe('of a worker, about'),
    workers: countSchema.describe('available workers that it could use'),
    seconds: z.number().optional().describe('estimate, from the first to the last step on the available workers'),
    secondsBy: z.enum(['earlierJob', 'guess']).optional().describe('whether the speed comes from an earlier job here or is a guess'),
  })
  .meta({ id: 'JobPlan' });

/** See {@link jobPlanSchema}. */
export type JobPlan = z.infer<typeof jobPlanSchema>;

/** Answer to a dry run: the job file as it would be admitted, the plan that follows from it, and warnings. */
export const jobCheckSchema = z
  .object({
    dryRun: z.literal(true),
    spec: jobSpecSchema.describe('the job file with every default filled in'),
    recipe: recipeResourceSchema.describe('what the job is for'),
    plan: jobPlanSchema,
    warnings: z.array(z.string()).describe('settings that are valid but probably unintended'),
  })
  .meta({ id: 'JobCheck' });

/** Result of a dry run. */
export type JobCheck = Omit<z.infer<typeof jobCheckSchema>, 'dryRun' | 'recipe'>;

/** Returns the JSON Schema (draft 2020-12) of the job file, for forms and editors. */
export function jobFileJsonSchema(): Record<string, unknown> {
  return z.toJSONSchema(jobFileSchema, { io: 'input', unrepresentable: 'any' }) as Record<string, unknown>;
}
