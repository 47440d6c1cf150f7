import ort from 'onnxruntime-node';
import { type ConstantData, type DType, packNumbers } from '../dtype.ts';
import { encodeModel } from '../encodeModel.ts';
import type { Graph } from '../graph.ts';

/** A value to feed, or a result: numbers in row-major order. */
export interface Feed {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly values: readonly number[];
}

/** A graph loaded in ONNX Runtime, to be run with different feeds. */
export interface Evaluator {
  run(feeds: Readonly<Record<string, Feed>>): Promise<Readonly<Record<string, Feed>>>;
  close(): Promise<void>;
}

/** Encodes `graph` and loads the bytes in ONNX Runtime, one thread, without optimisation (no fusion hides a wrong node). */
export async function evaluator(graph: Graph): Promise<Evaluator> {
  const session = await ort.InferenceSession.create(encodeModel(graph), {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    graphOptimizationLevel: 'disabled',
    logSeverityLevel: 3,
  });
  return {
    async run(feeds) {
      const tensors = Object.entries(feeds).map(([name, { dtype, shape, values }]) => [
        name,
        new ort.Tensor(dtype as 'float32', packNumbers(dtype, values) as Float32Array, shape),
      ]);
      const results = await session.run(Object.fromEntries(tensors));
      return Object.fromEntries(
        Object.entries(results).map(([name, { type, dims, data }]) => [
          name,
          { dtype: type as DType, shape: [...dims], values: Array.from(data as ConstantData as ArrayLike<number | bigint>, Number) },
        ]),
      );
    },
    close: () => session.release(),
  };
}

/** Loads, runs once and releases a graph. */
export async function evaluate(graph: Graph, feeds: Readonly<Record<string, Feed>>): Promise<Readonly<Record<string, Feed>>> {
  const loaded = await evaluator(graph);
  try {
    return await loaded.run(feeds);
  } finally {
    await loaded.close();
  }
}
