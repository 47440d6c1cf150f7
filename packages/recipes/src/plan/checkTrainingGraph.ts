import { formatDims, Graph, type Tensor } from '@maestro/graph';
import { kindOf, type RecipeInfo } from '@maestro/protocol';
import { BATCH } from '@maestro/vit';
import { ownSeriesOf } from '../trainingSeries.ts';
import type { RecipePlan } from './recipePlan.ts';

/** Returns what a recipe's training graph lacks of what `RecipePlan.buildTraining` asks for; undefined when it has all. */
export function checkTrainingGraph(
  graph: unknown,
  { parameters, inputs }: Pick<RecipePlan, 'parameters' | 'inputs'>,
  recipe: RecipeInfo,
): string | undefined {
  if (!(graph instanceof Graph)) return `it must return a Graph, found ${kindOf(graph)}`;
  const given = new Map(graph.inputs.map((tensor) => [tensor.name, tensor]));
  const trained = parameters.filter(({ trainable }) => trainable !== false);
  const wanted = [
    ...parameters.map(({ name, shape }) => ({ what: `parameter ${name}`, name, dtype: 'float32', dims: shape })),
    ...inputs.map(({ name, dtype, shape }) => ({ what: `input ${name}`, name, dtype, dims: [BATCH, ...shape] })),
  ];
  for (const { what, name, ...type } of wanted) {
    const tensor = given.get(name);
    if (tensor === undefined) return `the graph has no input for ${what}`;
    if (!isOf(tensor, type)) return `the graph has ${what} as ${typeOf(tensor)}, the plan as ${typeOf(type)}`;
  }
  const outputs = [
    { name: 'loss', dims: [] },
    ...ownSeriesOf(recipe).map((name) => ({ name: `metric.${name}`, dims: [] })),
    ...trained.map(({ name, shape }) => ({ name: `grad.${name}`, dims: shape })),
  ];
  for (const { name, dims } of outputs) {
    const tensor = graph.outputs.get(name);
    const type = { dtype: 'float32', dims };
    if (tensor === undefined) return `the graph has no output ${name}, ${typeOf(type)}`;
    if (!isOf(tensor, type)) return `output ${name} must be ${typeOf(type)}, found ${typeOf(tensor)}`;
  }
  const [first] = graph.outputs.values();
  return first?.sequence === true ? undefined : 'the first output of the graph must be a sequence; kit.trainingGraph makes one';
}

interface Type extends Pick<Tensor, 'dims'> {
  readonly dtype: string;
}

const typeOf = ({ dtype, dims }: Type): string => `${dtype}${formatDims(dims)}`;
const isOf = (tensor: Type, type: Type): boolean => typeOf(tensor) === typeOf(type);
