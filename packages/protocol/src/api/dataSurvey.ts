import { z } from 'zod';
import { countSchema } from './primitives.ts';

/** Query of a data survey. */
export const dataSurveyQuerySchema = z.strictObject({
  path: z.string().min(1).max(4096).describe('a folder, as seen by the coordinator, or a URL'),
});

/** Describes the data at a path, and whether a job could train on it. */
export const dataSurveySchema = z
  .object({
    path: z.string(),
    format: z.enum(['idx', 'image-folder', 'webdataset']).optional().describe('as in the job file; absent if no known format was found'),
    samples: countSchema.optional().describe('absent if they could not be counted from here'),
    isAll: z.boolean().describe('whether all samples were counted; otherwise there are more'),
    classes: z.array(z.object({ name: z.string(), samples: countSchema })).describe('the first 20 sub-folders with images'),
    classCount: countSchema,
    problem: z.string().optional().describe('why a job could not train on it'),
    note: z.string().optional().describe('why it could not be examined; it may still be valid'),
  })
  .meta({ id: 'DataSurvey' });

/** See {@link dataSurveySchema}. */
export type DataSurveyResource = z.infer<typeof dataSurveySchema>;
