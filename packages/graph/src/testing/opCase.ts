import { canonicalDims, type Dims } from '../dim.ts';
import { type DType, isFloat } from '../dtype.ts';
import { grad } from '../grad.ts';
import { Graph, type Tensor } from '../graph.ts';
import { mul } from '../ops/elementwise.ts';
import { reduceSum } from '../ops/reduction.ts';
import { evaluate, evaluator, type Feed } from './evaluate.ts';

/** An input of an op under test: its declaration in the graph, and values with every symbol replaced by its size. */
export interface CaseInput {
  readonly dims: Dims;
  readonly dtype?: DType;
  readonly values: readonly number[];
}

/** One op or composite under test. */
export interface OpCase {
  readonly inputs: Readonly<Record<string, CaseInput>>;
  readonly build: (...inputs: readonly Tensor[]) => Tensor;
  /** The shape the builder must infer. */
  readonly dims: Dims;
  /** Expected values, computed by other means. */
  readonly values: readonly number[];
  /** The inputs to differentiate; default: every float input. `[]` for an op without gradient. */
  readonly wrt?: readonly string[];
  /** Dtype of float inputs that declare none: float32 for ops that ONNX Runtime's CPU has in no other. */
  readonly precision?: 'float32' | 'float64';
}

/** Size of every symbol when a case is run. */
export const SYMBOL_SIZES: Readonly<Record<string, number>> = { N: 2, L: 3 };

/** Replaces symbols by their sizes in dimensions. */
export const concreteShape = (dims: Dims): number[] =>
  canonicalDims(dims).map((dim) =>
    String(dim)
      .split('*')
      .reduce((size, factor) => size * (SYMBOL_SIZES[factor] ?? Number(factor)), 1),
  );

/** Returns fixed pseudo-random values of magnitude 0.25 to 1.25, of both signs unless `isPositive`. */
export function samples(
  count: number,
  { seed = 1, isPositive = false }: { readonly seed?: number; readonly isPositive?: boolean } = {},
): number[] {
  let state = (seed * 2654435761) >>> 0;
  return Array.from({ length: count }, () => {
    state = (state * 1664525 + 1013904223) % 2 ** 32;
    const value = 0.25 + state / 2 ** 32;
    return !isPositive && Math.floor(state / 2 ** 13) % 2 === 1 ? -value : value;
  });
}

interface BuiltCase {
  readonly graph: Graph;
  readonly inputs: Readonly<Record<string, Tensor>>;
  readonly output: Tensor;
  readonly feeds: Readonly<Record<string, Feed>>;
}

function buildCase({ inputs, build, precision = 'float64' }: OpCase): BuiltCase {
  const graph = new Graph('case');
  const feeds: Record<string, Feed> = {};
  const tensors = Object.entries(inputs).map(([name, { dims, dtype = precision, values }]) => {
    feeds[name] = { dtype, shape: concreteShape(dims), values };
    return [name, graph.input(name, dtype, dims)] as const;
  });
  const output = build(...tensors.map(([, tensor]) => tensor));
  return { graph, inputs: Object.fromEntries(tensors), output, feeds };
}

/** Returns the inferred shape, and the dtype, shape and values from ONNX Runtime. */
export async function runCase(opCase: OpCase): Promise<{ readonly inferred: Tensor; readonly computed: Feed }> {
  const { graph, output, feeds } = buildCase(opCase);
  graph.output('result', output);
  return { inferred: output, computed: (await evaluate(graph, feeds)).result! };
}

/** Returns the names of the inputs whose gradient the case checks. */
export const differentiated = ({ inputs, wrt }: OpCase): readonly string[] =>
  wrt ?? Object.keys(inputs).filter((name) => isFloat(inputs[name]!.dtype ?? 'float64'));

/**
 * Returns the largest difference between the gradient of a fixed random weighting of the output and its central differences, each divided
 * by the largest gradient of that input. About 1e-9 in float64 and 1e-3 in float32 when the rule is right.
 */
export async function gradientError(opCase: OpCase): Promise<number> {
  const { graph, inputs, output, feeds } = buildCase(opCase);
  const isDouble = opCase.precision !== 'float32';
  const shape = concreteShape(output.dims);
  const count = shape.reduce((product, size) => product * size, 1);
  const weights = graph.input('weights', output.dtype, output.dims);
  const loss = reduceSum(mul(output, weights));
  graph.output('loss', loss);
  const names = differentiated(opCase);
  grad(
    loss,
    names.map((name) => inputs[name]!),
  ).forEach((gradient, at) => {
    graph.output(`grad.${names[at]}`, gradient);
  });

  const loaded = await evaluator(graph);
  try {
    const base = { ...feeds, weights: { dtype: output.dtype, shape, values: samples(count, { seed: 99 }) } };
    const exact = await loaded.run(base);
    const step = isDouble ? 1e-5 : 2e-2;
    let worst = 0;
    for (const name of names) {
      const gradient = exact[`grad.${name}`]!.values;
      const feed = feeds[name]!;
      const scale = Math.max(...gradient.map(Math.abs));
      for (let at = 0; at < gradient.length; at++) {
        const lossAt = async (value: number) => {
          const values = feed.values.with(at, value);
          return (await loaded.run({ ...base, [name]: { ...feed, values } })).loss!.values[0]!;
        };
        const center = feed.values[at]!;
        const slope = ((await lossAt(center + step)) - (await lossAt(center - step))) / (2 * step);
        worst = Math.max(worst, Math.abs(slope - gradient[at]!) / scale);
      }
    }
    return worst;
  } finally {
    await loaded.close();
  }
}
