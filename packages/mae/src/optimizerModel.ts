import { add, cast, div, encodeModel, Graph, mul, pow, sequenceConstruct, sqrt, sub, type Tensor } from '@maestro/graph';
import { ADAMW_DEFAULTS, type AdamWSettings, weightDecayOf } from './adamW.ts';
import type { ParameterSpec } from './parameters.ts';

/** What AdamW is applied to: the specs of {@link parameterSpecs}, or any others. */
export type OptimizerParameters = readonly ParameterSpec[];

/**
 * One step of AdamW in standard ops, with the arithmetic of torch.optim.AdamW: the decay is decoupled and comes first, epsilon is
 * added after the bias correction of the root. The portable reference for the kernel that trains.
 *
 * Inputs: for each parameter `NAME`, `grad.NAME`, `exp_avg.NAME`, `exp_avg_sq.NAME`, float32 in the parameter's shape; `lr` float64 [];
 * `step` int64 [], counted from 1. The scalars are worked out in float64 and rounded once.
 *
 * Outputs: `status`, a sequence, first (see {@link trainingGraph}); then for each parameter `next.NAME`, `next.exp_avg.NAME`,
 * `next.exp_avg_sq.NAME`.
 */
export function optimizerGraph(parameters: OptimizerParameters, settings: AdamWSettings = ADAMW_DEFAULTS): Graph {
  const { beta1, beta2, eps } = settings;
  const graph = new Graph('optimizer_model');
  const lr = graph.input('lr', 'float64', []);
  const step = cast(graph.input('step', 'int64', []), 'float64');
  const stepSize = toFloat(div(lr, sub(1, pow(graph.scalar(beta1, 'float64'), step))));
  const rootCorrection = toFloat(sqrt(sub(1, pow(graph.scalar(beta2, 'float64'), step))));

  graph.output('status', sequenceConstruct([stepSize]));
  for (const spec of parameters) {
    const { name, shape } = spec;
    const parameter = graph.input(name, 'float32', shape);
    const gradient = graph.input(`grad.${name}`, 'float32', shape);
    const m = blend(graph.input(`exp_avg.${name}`, 'float32', shape), gradient, beta1);
    const v = blend(graph.input(`exp_avg_sq.${name}`, 'float32', shape), mul(gradient, gradient), beta2);
    const decay = weightDecayOf(spec, settings);
    const decayed = decay === 0 ? parameter : mul(parameter, toFloat(sub(1, mul(lr, decay))));
    const denominator = add(div(sqrt(v), rootCorrection), eps);
    graph.output(`next.${name}`, sub(decayed, mul(stepSize, div(m, denominator))));
    graph.output(`next.exp_avg.${name}`, m);
    graph.output(`next.exp_avg_sq.${name}`, v);
  }
  return graph;
}

/** AdamW as an ONNX model (`optimizer_model.onnx`). See {@link optimizerGraph}. */
export function buildOptimizerModel(parameters: OptimizerParameters, settings: AdamWSettings = ADAMW_DEFAULTS): Uint8Array {
  return encodeModel(optimizerGraph(parameters, settings));
}

const toFloat = (x: Tensor): Tensor => cast(x, 'float32');

/** beta * average + (1 - beta) * value. */
const blend = (average: Tensor, value: Tensor, beta: number): Tensor => add(mul(average, beta), mul(value, 1 - beta));
