import { z } from 'zod';
import { countSchema } from './primitives.ts';

/** Query of a data survey. */
export const dataSurveyQuerySchema = z.strictObject({
  path: z.string().min(1).max(4096).describe('a folder, as the coordinator sees it, or an address'),
});

/** Describes the data at a path, and whether a job could train on it. */
export const dataSurveySchema = z
  .object({
    path: z.string(),
    format: z
      .enum(['idx', 'image-folder', 'webdataset'])
      .optional()
      .describe('as a job file calls it; absent when nothing known was found'),
    samples: countSchema.optional().describe('absent when they could not be counted from here'),
    isAll: z.boolean().describe('whether samples are all there are; else there are more'),
    classes: z.array(z.object({ name: z.string(), samples: countSchema })).describe('sub-folders with images, the first 20'),
    classCount: countSchema,
    problem: z.string().optional().describe('why a job could not train on it'),
    note: z.string().optional().describe('why it could not be looked at, though it may be fine'),
  })
  .meta({ id: 'DataSurvey' });

/** See {@link dataSurveySchema}. */
export type DataSurveyResource = z.infer<typeof dataSurveySchema>;
