import { Graph, type GraphPrecision, grad, sequenceConstruct, type Tensor } from '@maestro/graph';
import { type BatchInput, MaestroError } from '@maestro/protocol';
import type { ModelParameter } from '@maestro/tensors';
import { BATCH } from '@maestro/vit';

/** What a loss is made from. */
export interface LossInputs {
  readonly graph: Graph;
  /** A parameter by its name. */
  parameter(name: string): Tensor;
  /** An input by its name, [N, ...shape]. */
  input(name: string): Tensor;
  /** The weight of the micro batch: float32 []. A loss that has it as a factor adds up over micro batches as it should. */
  readonly gradScale: Tensor;
}

/** What {@link trainingGraph} is made from. */
export interface TrainingGraphOptions {
  readonly parameters: readonly ModelParameter[];
  readonly inputs: readonly BatchInput[];
  /** What layers are made of; as `buildTraining` was asked. Default `standard`. */
  readonly precision?: GraphPrecision;
  /**
   * The loss of a micro batch, float32 []; with it, by the names of the recipe's `series`, sums over the micro batch's samples, float32 []
   * each: a step tells their mean over samples.
   */
  readonly loss: (given: LossInputs) => Tensor | { readonly loss: Tensor; readonly metrics: Readonly<Record<string, Tensor>> };
}

/**
 * The graph of one micro batch from its loss: declares the inputs, differentiates the loss by every parameter that is trainable, and names
 * the outputs.
 */
export function trainingGraph({ parameters, inputs, precision = 'standard', loss: lossOf }: TrainingGraphOptions): Graph {
  const graph = new Graph('training_model', { precision });
  const named = (what: string, entries: readonly (readonly [string, Tensor])[]) => {
    const tensors = new Map(entries);
    return (name: string): Tensor => {
      const tensor = tensors.get(name);
      if (tensor === undefined) {
        throw new MaestroError('invalid-argument', `training graph: no ${what} '${name}'; there are ${[...tensors.keys()].join(', ')}`);
      }
      return tensor;
    };
  };
  const weights = parameters.map(({ name, shape }) => [name, graph.input(name, 'float32', shape)] as const);
  const samples = inputs.map(({ name, dtype, shape }) => [name, graph.input(name, dtype, [BATCH, ...shape])] as const);
  const gradScale = graph.input('grad_scale', 'float32', []);
  const made = lossOf({ graph, parameter: named('parameter', weights), input: named('input', samples), gradScale });
  const { loss, metrics } = 'metrics' in made ? made : { loss: made, metrics: {} };
  const trained = weights.filter((_, i) => parameters[i]!.trainable !== false);
  const gradients = grad(
    loss,
    trained.map(([, tensor]) => tensor),
  );
  // A sequence first: see trainingGraph of the masked autoencoder.
  graph.output('status', sequenceConstruct([loss]));
  graph.output('loss', loss);
  for (const [name, sum] of Object.entries(metrics)) graph.output(`metric.${name}`, sum);
  for (const [i, [name]] of trained.entries()) graph.output(`grad.${name}`, gradients[i]!);
  return graph;
}
