import { z } from 'zod';
import { countSchema, timeSchema } from './primitives.ts';

/** Members of a job's view from a step on. */
export const viewResourceSchema = z
  .object({
    generation: countSchema.describe('number of the view, increasing'),
    startStep: countSchema,
    formedAt: timeSchema,
    timeMs: countSchema.describe('formedAt in milliseconds since 1970'),
    reason: z.string().describe('reason for the view'),
    members: z.array(z.object({ name: z.string(), id: z.string(), firstRank: countSchema, ranks: countSchema })),
  })
  .meta({ id: 'View' });

/** See {@link viewResourceSchema}. */
export type ViewResource = z.infer<typeof viewResourceSchema>;
