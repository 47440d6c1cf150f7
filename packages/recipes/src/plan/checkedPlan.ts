import { kindOf, type RecipeInfo, recipeFault } from '@maestro/protocol';
import { checkTrainingGraph } from './checkTrainingGraph.ts';
import { describePlan, planSchema } from './planSchema.ts';
import type { RecipePlan } from './recipePlan.ts';

/**
 * A plan as a recipe's `plan` has returned it, after its form was checked; its functions answer as they are, or throw an error that names
 * the recipe. Errors of `fillSample` are named by the loader, which knows the sample.
 *
 * @throws MaestroError `invalid-argument` that names recipe and module, with all that is wrong.
 */
export function checkedPlan(recipe: RecipeInfo, made: RecipePlan): RecipePlan {
  const result = planSchema.safeParse(made);
  if (!result.success) throw recipeFault(recipe, 'plan', describePlan(result.error, made));
  const { parameters, image, inputs, model } = made;
  const call = <Answer>(where: string, answer: () => Answer): Answer => {
    try {
      return answer();
    } catch (error) {
      throw recipeFault(recipe, where, error);
    }
  };
  return {
    parameters,
    image,
    inputs,
    model,
    fillSample: (sample, out) => made.fillSample(sample, out),
    buildTraining: (precision = 'standard') => {
      const graph = call('buildTraining', () => made.buildTraining(precision));
      const problem = checkTrainingGraph(graph, made, recipe);
      if (problem !== undefined) throw recipeFault(recipe, 'buildTraining', problem);
      if (graph.precision !== precision) {
        const remedy = 'hand the precision that it is given on to `trainingGraph`, or set precision: standard in the job file';
        throw recipeFault(recipe, 'buildTraining', `expected a graph of precision ${precision}, found ${graph.precision}; ${remedy}`);
      }
      return graph;
    },
    ...(made.buildEvaluation !== undefined && { buildEvaluation: () => call('buildEvaluation', () => made.buildEvaluation!()) }),
    lossScale: (planned) => {
      const scale = call(`lossScale of ${planned} samples`, () => made.lossScale(planned));
      // A replica without samples in a step has nothing to be scaled.
      if ((Number.isFinite(scale) && scale >= 0) || planned === 0) return scale;
      throw recipeFault(recipe, `lossScale of ${planned} samples`, `expected a finite number of at least 0, found ${kindOf(scale)}`);
    },
    drawParameter: (parameter, stream, out) => {
      const where = `drawParameter of ${parameter.name}`;
      const answer: unknown = call(where, () => made.drawParameter(parameter, stream, out));
      if (kindOf(answer) === 'a promise') throw recipeFault(recipe, where, 'it must fill in `out` before it returns, found a promise');
      const at = firstNotFinite(out);
      if (at !== -1) throw recipeFault(recipe, where, `it must fill in finite numbers, found ${out[at]} at ${at}`);
    },
  };
}

/** Bits of a float32 that are all set in infinities and in what is not a number. */
const EXPONENT = 0x7f800000;

/** Returns the index of the first value that is not finite, or -1: a model has a hundred million of them. */
function firstNotFinite({ buffer, byteOffset, length }: Float32Array): number {
  const bits = new Uint32Array(buffer, byteOffset, length);
  for (let i = 0; i < length; i++) if ((bits[i]! & EXPONENT) === EXPONENT) return i;
  return -1;
}
