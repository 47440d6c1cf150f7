import type { SampleFiller } from '@maestro/data';
import type { Graph, GraphPrecision } from '@maestro/graph';
import type { BatchInput, JobSpec } from '@maestro/protocol';
import type { RandomStream } from '@maestro/random';
import type { ModelParameter, ParameterSpec } from '@maestro/tensors';
import type { RecipeKit } from './recipeKit.ts';

/** What a recipe may know of a job's data set. */
export interface DataFacts {
  readonly samples: number;
  /** Class names by label; empty where the samples have no labels. */
  readonly classes: readonly string[];
}

/**
 * What a job trains, and on what: all that a worker asks of a recipe. It follows from job file and data set alone, and is made again by
 * each thread that needs it.
 */
export interface RecipePlan {
  /**
   * The model's parameters, each with its group: whether it is trained, and how. Left out of a group: trained at the plain learning rate,
   * with weight decay if it has two dimensions or more. The order is part of a job's identity.
   */
  readonly parameters: readonly ModelParameter[];
  /** What `readImage` makes of a sample's image. */
  readonly image: { readonly imageSize: number; readonly channels: 1 | 3 };
  /** What each sample has for the model. */
  readonly inputs: readonly BatchInput[];
  /** Fills in the inputs of one sample, in a loader's thread. */
  readonly fillSample: SampleFiller;
  /**
   * The graph of one micro batch, forward and backward. Inputs: every parameter by name, every one of `inputs`, and `grad_scale`, float32
   * []. Outputs: a sequence first, `loss` [], `metric.NAME` [] for every one of the recipe's own `series`, a sum over samples, and
   * `grad.NAME` for every parameter that is trainable. Losses and gradients of micro batches add up to those of the step.
   * @param precision what the layers are to be made of; the graph's own `precision` says what they are. Default `standard`.
   */
  buildTraining(precision?: GraphPrecision): Graph;
  /** A graph to look at the model with, for the job's artifacts. */
  buildEvaluation?(): Graph;
  /** `grad_scale` of a step that takes `planned` samples. */
  lossScale(planned: number): number;
  /** Draws what a parameter is at first. `out` is zero; `stream` is the parameter's own. */
  drawParameter(parameter: ParameterSpec, stream: RandomStream, out: Float32Array): void;
  /** The model in plain values, for `artifacts.json`. */
  readonly model: unknown;
}

/** Makes a job's plan. `job` is valid, with all defaults filled in. */
export type PlanRecipe = (job: JobSpec, data: DataFacts, kit: RecipeKit) => RecipePlan | Promise<RecipePlan>;
