import { z } from 'zod';
import { jobFileSchema, jobSpecSchema } from '../job/jobSpec.ts';
import { countSchema } from './primitives.ts';
import { recipeResourceSchema } from './recipeResource.ts';

/** Values derived from a job file and the available workers. Unknown values are absent. */
export const jobPlanSchema = z
  .object({
    samples: countSchema.optional().describe('samples that it takes in an epoch'),
    globalBatch: countSchema.describe('images of an optimiser step: virtualRanks x microBatch x accumulation'),
    stepsPerEpoch: countSchema.optional(),
    totalSteps: countSchema.optional(),
    epochs: z.number().optional(),
    learningRate: z.number().optional().describe('the highest: baseLr x batch / 256; absent for a job that trains nothing'),
    warmupSteps: countSchema.optional().describe('steps until the learning rate is reached'),
    parameters: countSchema.describe('of encoder and decoder'),
    encoderParameters: countSchema.describe('of the encoder alone, which is what is kept in the end'),
    memoryBytes: countSchema.describe('of a worker, about'),
    workers: countSchema.describe('workers at hand that it could use'),
    seconds: z.number().optional().describe('from the first step to the last on the available workers, about'),
    secondsBy: z.enum(['earlierJob', 'guess']).optional().describe('whether an earlier job here was measured, or speed was guessed'),
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
    warnings: z.array(z.string()).describe('what does not keep the job from being taken, but may not be meant'),
  })
  .meta({ id: 'JobCheck' });

/** Result of a dry run. */
export type JobCheck = Omit<z.infer<typeof jobCheckSchema>, 'dryRun' | 'recipe'>;

/** Returns the JSON Schema (draft 2020-12) of the job file, for forms and editors. */
export function jobFileJsonSchema(): Record<string, unknown> {
  return z.toJSONSchema(jobFileSchema, { io: 'input', unrepresentable: 'any' }) as Record<string, unknown>;
}
