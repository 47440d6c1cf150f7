import { z } from 'zod';
import { STEP_PHASES } from '../wire/messages.ts';
import { countSchema, timeSchema } from './primitives.ts';

/** Curves of a job. */
export const seriesListSchema = z
  .object({
    series: z.array(
      z.object({
        name: z.string(),
        unit: z.string().describe('empty where it has none'),
        points: z
          .array(z.tuple([countSchema, z.number(), z.number()]))
          .describe('step, milliseconds since 1970, value; the last step is always there'),
      }),
    ),
  })
  .meta({ id: 'Series' });

/** Export formats of the recorded metrics of a job's steps. */
export const METRIC_FORMATS = ['csv', 'jsonl', 'tensorboard'] as const;

/** A name in {@link METRIC_FORMATS}. */
export type MetricFormat = (typeof METRIC_FORMATS)[number];

/** Query of an export. */
export const exportQuerySchema = z.strictObject({ format: z.enum(METRIC_FORMATS).default('csv') });

const durationsSchema = z.object(
  Object.fromEntries(STEP_PHASES.map((phase) => [phase, z.number()])) as Record<(typeof STEP_PHASES)[number], z.ZodNumber>,
);

/** Breakdown of the time of a job's last steps. */
export const timelineSchema = z
  .object({
    phases: z.array(z.enum(STEP_PHASES)).describe('in the order of a step'),
    workers: z.array(
      z.object({
        name: z.string(),
        steps: z.array(
          z.object({
            step: countSchema,
            startMs: z.number().describe("milliseconds since 1970, by the worker's clock"),
            durations: durationsSchema.describe('seconds by phase'),
            lag: z.number().describe('seconds by which it came later to the barrier than the first one'),
          }),
        ),
      }),
    ),
    straggler: z
      .object({
        name: z.string(),
        seconds: z.number().describe('how long a step waits for it, on average'),
        share: z.number().describe("the same as a share of the steps' time, 0 to 1"),
      })
      .optional()
      .describe('absent where nobody stands out'),
  })
  .meta({ id: 'Timeline' });

/** Reconstruction by a checkpoint of masked images, always the same ones. */
export const reconstructionSchema = z
  .object({
    step: countSchema,
    createdAt: timeSchema,
    areHeldOut: z.boolean().describe('whether the job is not trained on these images; false where its data holds none out'),
    maskedError: z.number().describe('squared error per hidden value on the 0..1 scale of pixels'),
    meanFillError: z
      .number()
      .describe('the same for a guess that fills in the mean of what is visible: what a model that learned nothing reaches'),
    imageUrl: z.string(),
  })
  .meta({ id: 'Reconstruction' });

/** See {@link reconstructionSchema}. */
export type ReconstructionResource = z.infer<typeof reconstructionSchema>;
