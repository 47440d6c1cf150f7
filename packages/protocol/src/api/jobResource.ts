import { z } from 'zod';
import { type JobSpec, storedSpecSchema } from '../job/jobSpec.ts';
import { formerProgress, JOB_STATES, type Job, type JobProgress } from '../job/jobs.ts';
import { recipeOf } from '../job/recipeRegistry.ts';
import { countSchema, jobIdSchema, timeSchema } from './primitives.ts';
import { recipeResource, recipeResourceSchema } from './recipeResource.ts';

const conditionSchema = z.object({
  type: z.string(),
  status: z.boolean(),
  reason: z.string(),
  message: z.string(),
  lastTransitionTime: timeSchema,
});

const memberSchema = z.object({
  name: z.string(),
  id: z.string(),
  firstRank: countSchema,
  ranks: countSchema,
  status: z.string().describe('assigned, forming, formed, working, held, finished, or left'),
  phase: z.string().describe('the phase that it last reported'),
  step: countSchema,
  phaseSeconds: z.number().describe('time spent in that phase'),
  waitingFor: z.string().optional().describe('absent if it waits for nobody'),
  lastHeardAt: timeSchema.optional(),
});

const metricsSchema = z.record(z.string(), z.number());

const progressSchema = z.object({
  step: countSchema.describe('steps committed'),
  totalSteps: countSchema,
  epoch: z.number().describe('epochs done, with a fraction'),
  totalEpochs: z.number(),
  images: countSchema,
  metrics: metricsSchema.describe("the newest value of each of the recipe's series; none that was not told"),
  firstMetrics: metricsSchema.describe('the same of the first step'),
  lossFirst: z.number().optional().meta({ deprecated: true }).describe('firstMetrics.loss'),
  loss: z.number().optional().meta({ deprecated: true }).describe('metrics.loss'),
  learningRate: z.number().optional().meta({ deprecated: true }).describe('metrics.learningRate'),
  gradNorm: z.number().optional().meta({ deprecated: true }).describe('metrics.gradNorm'),
  imagesPerSecond: z.number(),
  etaSeconds: z.number(),
  skippedImages: countSchema.describe('broken images that were skipped'),
});

const eventSchema = z.object({
  time: timeSchema,
  generation: countSchema,
  step: countSchema,
  type: z.string().describe('view, hold, joined, left, lost, evicted, refused, rebalance, restore, checkpoint or state'),
  message: z.string(),
});

/** A job as the HTTP API returns it. */
export const jobResourceSchema = z
  .object({
    id: jobIdSchema,
    name: z.string(),
    state: z.enum(JOB_STATES),
    message: z.string().describe('reason for the state, one sentence'),
    resourceVersion: z.string().describe('changes with every change of the job; compare for equality only'),
    spec: storedSpecSchema.describe('the job file with every default filled in'),
    recipe: recipeResourceSchema.describe('what the job is for'),
    createdAt: timeSchema,
    startedAt: timeSchema.optional(),
    endedAt: timeSchema.optional(),
    generation: countSchema.describe('number of the view, increasing'),
    members: z.array(memberSchema),
    conditions: z.array(conditionSchema),
    progress: progressSchema.optional().describe('absent before the first view'),
    events: z.array(eventSchema).describe('newest last, bounded'),
    stepsRedone: countSchema.describe('steps that were discarded when a view ended or lost with all workers, and then recomputed'),
    reconstructedStep: countSchema.optional().describe('step of the newest checkpoint that has a picture'),
    results: metricsSchema.optional().describe('results of an evaluation job, by name; absent until it has any'),
    warnings: z.array(z.string()).optional().describe('settings that are valid but probably unintended'),
  })
  .meta({ id: 'Job' });

/** See {@link jobResourceSchema}. */
export type JobResource = z.infer<typeof jobResourceSchema>;

/** Converts a job to its resource; `spec` is its parsed job file. */
export function jobResource(job: Job, spec: JobSpec): JobResource {
  const { id, name, state, message, resourceVersion, createdAt, generation, stepsRedone, conditions, events, progress } = job;
  return {
    id,
    name,
    state,
    message,
    resourceVersion,
    spec,
    recipe: recipeResource(recipeOf(spec)),
    createdAt,
    ...(job.startedAt !== '' && { startedAt: job.startedAt }),
    ...(job.endedAt !== '' && { endedAt: job.endedAt }),
    generation,
    members: job.members.map(({ lastHeard, waitingFor, ...member }) => ({
      ...member,
      ...(waitingFor !== '' && { waitingFor }),
      ...(lastHeard !== '' && { lastHeardAt: lastHeard }),
    })),
    conditions: [...conditions],
    ...(progress !== null && { progress: progressOf(progress) }),
    events: [...events],
    stepsRedone,
    ...(job.reconstructedStep !== undefined && job.reconstructedStep > 0 && { reconstructedStep: job.reconstructedStep }),
    ...(Object.keys(job.results ?? {}).length > 0 && { results: { ...job.results } }),
    ...(job.warnings !== undefined && job.warnings.length > 0 && { warnings: [...job.warnings] }),
  };
}

function progressOf(progress: JobProgress): z.infer<typeof progressSchema> {
  const { lr, ...former } = formerProgress(progress);
  return { ...progress, ...former, ...(lr !== undefined && { learningRate: lr }) };
}
