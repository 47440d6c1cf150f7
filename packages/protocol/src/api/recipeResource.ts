import { z } from 'zod';
import { METRIC_UNITS, type RecipeInfo } from '../job/recipe.ts';

const metricSchema = z.object({
  name: z.string(),
  label: z.string(),
  shortLabel: z.string().optional().describe('the label in a line of text; in lower case where absent'),
  exportName: z.string().optional().describe('the name in Prometheus and TensorBoard; in snake_case where absent'),
  unit: z.enum(METRIC_UNITS).describe('a share is of 1, a rate is small'),
  about: z.string().optional().describe('what is measured'),
  better: z.enum(['higher', 'lower']).optional().describe('absent where neither is'),
  note: z.string().optional().describe('name of another result that belongs to this one'),
  isDetail: z.boolean().optional().describe('whether it is not among the numbers at a glance'),
});

/** A recipe as the HTTP API returns it: a purpose of a job. */
export const recipeResourceSchema = z
  .object({
    id: z.string().describe('as in the job file'),
    does: z.string(),
    verb: z.enum(['training', 'measuring']),
    dataPlaces: z.array(z.array(z.string())).describe('where in the job file it names data sets, as lists of keys'),
    series: z.array(metricSchema).describe('what is told at each step, beside the speed'),
    results: z.array(metricSchema).describe('numbers that its jobs end with'),
  })
  .meta({ id: 'Recipe' });

/** See {@link recipeResourceSchema}. */
export type RecipeResource = z.infer<typeof recipeResourceSchema>;

/** Converts a recipe to its resource. */
export function recipeResource({ id, does, verb, dataPlaces, series, results }: RecipeInfo): RecipeResource {
  const places = [['data'], ...dataPlaces.map((place) => [...place])];
  return { id, does, verb, dataPlaces: places, series: [...series], results: [...results] };
}
