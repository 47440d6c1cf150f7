import { z } from 'zod';
import type { RecipeInfo } from '../job/recipe.ts';

const metricSchema = z.object({
  name: z.string(),
  label: z.string(),
  unit: z.enum(['number', 'share', 'count']).describe('a share is of 1'),
  better: z.enum(['higher', 'lower']).optional().describe('absent where neither is'),
  note: z.string().optional().describe('name of another result that belongs to this one'),
});

/** A recipe as the HTTP API gives it: what a job can be for. */
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

/** The resource of a recipe. */
export function recipeResource({ id, does, verb, dataPlaces, series, results }: RecipeInfo): RecipeResource {
  const places = [['data'], ...dataPlaces.map((place) => [...place])];
  return { id, does, verb, dataPlaces: places, series: [...series], results: [...results] };
}
