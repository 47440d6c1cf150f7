import {
  add,
  cast,
  div,
  encodeModel,
  Graph,
  greater,
  mul,
  pow,
  reduceSum,
  sequenceConstruct,
  sqrt,
  sub,
  type Tensor,
  where,
} from '@maestro/graph';
import type { ParameterSpec } from '@maestro/tensors';
import { ADAMW_DEFAULTS } from './adamW.ts';
import { type ElementArithmetic, NUMBERS, type ScalarArithmetic } from './arithmetic.ts';
import type { StepOptions } from './optimizerStep.ts';
import { isAdapted, type StepGroup, stepGroups } from './parameterGroups.ts';
import { ruleOf } from './ruleOf.ts';
import type { OptimizerSettings } from './section.ts';
import type { UpdateRule } from './updateRule.ts';

/** The parameters that an optimiser's graph is for; those that are frozen are left out. */
export type GraphParameters = readonly ParameterSpec[];

/**
 * A step of an optimiser as a portable graph in standard operators: the reference for the kernel that trains, with its arithmetic.
 *
 * Inputs: for each trainable parameter `NAME`, `grad.NAME` and a `MOMENT.NAME` for each moment (`exp_avg` and `exp_avg_sq` of AdamW,
 * `momentum_buffer` of SGD and LARS), float32 in the parameter's shape; `lr` float64 []; `step` int64 [], counted from 1. Scalars and norms
 * are worked out in float64 and rounded once.
 *
 * Outputs: `status`, a sequence, first, so that other outputs can be written in place; then for each parameter `next.NAME` and
 * `next.MOMENT.NAME`.
 */
function optimizerGraph(parameters: GraphParameters, settings: OptimizerSettings): Graph {
  const rule = ruleOf(settings);
  const trainable = parameters.filter((each) => each.trainable);
  const graph = new Graph('optimizer_model');
  const ops = scalarOps(graph, 'float64');
  const lr = graph.input('lr', 'float64', []);
  const step = cast(graph.input('step', 'int64', []), 'float64');
  const { groups, groupOf } = stepGroups(trainable);
  const decayOf = ({ decay }: StepGroup): number => (decay ? settings.weightDecay : 0);
  const scalars = groups.map((group) => {
    const groupLr = group.lrScale === 1 ? lr : mul(lr, group.lrScale);
    const found = rule.scalarsOf(ops, { lr: groupLr, step, gradScale: ops.constant(1), weightDecay: decayOf(group) });
    return Object.fromEntries(Object.entries(found).map(([name, value]) => [name, cast(value, 'float32')]));
  });

  graph.output('status', sequenceConstruct([Object.values(scalars[0]!).at(-1)!]));
  for (const [at, spec] of trainable.entries()) {
    const { name, shape } = spec;
    const parameter = graph.input(name, 'float32', shape);
    const gradient = graph.input(`grad.${name}`, 'float32', shape);
    const moments = rule.moments.map((moment) => graph.input(`${moment}.${name}`, 'float32', shape));
    const norm = (x: Tensor): Tensor => {
      const wide = cast(x, 'float64');
      return sqrt(reduceSum(mul(wide, wide)));
    };
    const trust =
      rule.adapt !== undefined && isAdapted(spec)
        ? { trust: cast(rule.adapt(ops, { parameter: norm(parameter), gradient: norm(gradient) }, decayOf(spec)), 'float32') }
        : {};
    const next = rule.update(ELEMENTS, { parameter, moments }, gradient, { ...scalars[groupOf[at]!], ...trust });
    graph.output(`next.${name}`, next.parameter);
    for (const [k, moment] of rule.moments.entries()) graph.output(`next.${moment}.${name}`, next.moments[k]!);
  }
  return graph;
}

/** {@link optimizerGraph} as an ONNX model (`optimizer_model.onnx`). */
export function buildOptimizerModel(parameters: GraphParameters, settings: OptimizerSettings = ADAMW_DEFAULTS): Uint8Array {
  return encodeModel(optimizerGraph(parameters, settings));
}

/** The scalar inputs of {@link deviceUpdateGraph}: the rule's, for each group, and `one`, which is 1. */
export function deviceScalars(parameters: GraphParameters, settings: OptimizerSettings): readonly string[] {
  const { groups } = stepGroups(parameters);
  return [...groups.flatMap((_, group) => ruleOf(settings).scalars.map((name) => deviceScalar(name, group))), 'one'];
}

/** The values of {@link deviceScalars} in a step. */
export function* deviceScalarValues(
  parameters: GraphParameters,
  settings: OptimizerSettings,
  { lr, step, gradScale = 1 }: StepOptions,
): Generator<readonly [name: string, value: number]> {
  const rule = ruleOf(settings);
  for (const [group, { lrScale, decay }] of stepGroups(parameters).groups.entries()) {
    const scalars = rule.scalarsOf(NUMBERS, { lr: lr * lrScale, step, gradScale, weightDecay: decay ? settings.weightDecay : 0 });
    for (const name of rule.scalars) yield [deviceScalar(name, group), scalars[name]!];
  }
  yield ['one', 1];
}

const deviceScalar = (name: string, group: number): string => `${name}.${group}`;

/**
 * The same step for state that stays on a device, in place: `next.p.NAME` and `p.NAME` are the same memory, and so on for the gradient
 * `grad.NAME` and the moments `m0.NAME`, `m1.NAME`. Operation by operation as the kernel, so that on a CPU it gives the kernel's bits.
 * Where steps depend on norms these are summed in float32, row by row, which is good to some 1e-6.
 */
export function deviceUpdateGraph(parameters: GraphParameters, settings: OptimizerSettings): Graph {
  const rule = ruleOf(settings);
  const graph = new Graph('update_model');
  const inputs = new Map(deviceScalars(parameters, settings).map((name) => [name, graph.input(name, 'float32', [])]));
  const one = inputs.get('one')!;
  const ops = { ...ELEMENTS, keep: (x: Tensor): Tensor => mul(x, one) };
  const { groups, groupOf } = stepGroups(parameters);
  const ofGroup = groups.map((_, group) => Object.fromEntries(rule.scalars.map((name) => [name, inputs.get(deviceScalar(name, group))!])));
  for (const [at, spec] of parameters.entries()) {
    const { name, shape } = spec;
    const input = (kind: string): Tensor => graph.input(`${kind}.${name}`, 'float32', shape);
    const parameter = input('p');
    const gradient = input('grad');
    const moments = rule.moments.map((_, k) => input(`m${k}`));
    const ofTensor = ofGroup[groupOf[at]!]!;
    const scaled = (): Tensor => mul(gradient, ofTensor['gradScale']!);
    const scalars = { ...ofTensor, ...trustOf(graph, rule, settings, spec, parameter, scaled) };
    const next = rule.update(ops, { parameter, moments }, gradient, scalars);
    graph.output(`next.p.${name}`, next.parameter);
    for (const k of rule.moments.keys()) graph.output(`next.m${k}.${name}`, next.moments[k]!);
  }
  return graph;
}

function trustOf(
  graph: Graph,
  rule: UpdateRule,
  settings: OptimizerSettings,
  spec: ParameterSpec,
  parameter: Tensor,
  gradient: () => Tensor,
) {
  if (rule.adapt === undefined || !isAdapted(spec)) return {};
  const norm = (x: Tensor): Tensor => sqrt(reduceSum(reduceSum(mul(x, x), { axes: [-1] })));
  const norms = { parameter: norm(parameter), gradient: norm(gradient()) };
  return { trust: rule.adapt(scalarOps(graph, 'float32'), norms, spec.decay ? settings.weightDecay : 0) };
}

const ELEMENTS: ElementArithmetic<Tensor> = { add, sub, mul, div, sqrt, keep: (x) => x };

function scalarOps(graph: Graph, dtype: 'float32' | 'float64'): ScalarArithmetic<Tensor> {
  return {
    ...ELEMENTS,
    constant: (value) => graph.scalar(value, dtype),
    power: (base, exponent) => pow(graph.scalar(base, dtype), exponent),
    whenPositive: (x, then, otherwise) => where(greater(x, 0), then, otherwise),
  };
}
