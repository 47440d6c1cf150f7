import { z } from 'zod';
import { STEP_PHASES } from '../wire/messages.ts';
import { countSchema, timeSchema } from './primitives.ts';

/** Curves of a job. */
export const seriesListSchema = z
  .object({
    series: z.array(
      z.object({
        name: z.string(),
        unit: z.string().describe('empty if it has none'),
        points: z
          .array(z.tuple([countSchema, z.number(), z.number()]))
          .describe('step, milliseconds since 1970, value; the last step is always included'),
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
    phases: z.array(z.enum(STEP_PHASES)).describe('in the order within a step'),
    workers: z.array(
      z.object({
        name: z.string(),
        steps: z.array(
          z.object({
            step: countSchema,
            startMs: z.number().describe("milliseconds since 1970, by the worker's clock"),
            durations: durationsSchema.describe('seconds by phase'),
            lag: z.number().describe('delay at the barrier relative to the first worker, in seconds'),
          }),
        ),
      }),
    ),
    straggler: z
      .object({
        name: z.string(),
        seconds: z.number().describe('mean time per step that others wait for it'),
        share: z.number().describe('the same as a share of the step time, 0 to 1'),
      })
      .optional()
      .describe('absent if there is no straggler'),
  })
  .meta({ id: 'Timeline' });

/** Reconstruction by a checkpoint of masked images, always the same ones. */
export const reconstructionSchema = z
  .object({
    step: countSchema,
    createdAt: timeSchema,
    areHeldOut: z.boolean().describe('whether the images are in the held-out set; false if the data holds none out'),
    maskedError: z.number().describe('squared error per hidden value, pixels scaled to 0..1'),
    meanFillError: z
      .number()
      .describe('the same for a baseline that fills in the mean of the visible pixels: what an untrained model reaches'),
    imageUrl: z.string(),
  })
  .meta({ id: 'Reconstruction' });
