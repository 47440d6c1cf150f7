import { InferenceSession, Tensor } from 'onnxruntime-node';

/** A tensor by value, as {@link runModel} takes and gives them. */
export interface TensorValue {
  readonly type: 'float32' | 'float64' | 'int32' | 'int64' | 'bool' | 'uint8';
  readonly data: Float32Array | Float64Array | Int32Array | BigInt64Array | Uint8Array;
  readonly dims: readonly number[];
}

/**
 * Runs an ONNX model once on the calling thread, which it blocks: for tools and tests. All inputs by name in, the asked
 * outputs (default: all) by name out.
 *
 * @throws Error of ONNX Runtime when it refuses the model or the inputs.
 */
export async function runModel(
  model: Uint8Array | string,
  feeds: Readonly<Record<string, TensorValue>>,
  { threads = 1, outputs }: { readonly threads?: number; readonly outputs?: readonly string[] } = {},
): Promise<Record<string, TensorValue>> {
  const options: InferenceSession.SessionOptions = { intraOpNumThreads: threads, enableMemPattern: false, logSeverityLevel: 3 };
  const session = await (typeof model === 'string' ? InferenceSession.create(model, options) : InferenceSession.create(model, options));
  try {
    const tensors = Object.entries(feeds).map(([name, { type, data, dims }]) => [name, new Tensor(type, data, dims)]);
    const results = await session.run(Object.fromEntries(tensors), outputs ?? session.outputNames);
    return Object.fromEntries(
      Object.entries(results).map(([name, { type, data, dims }]) => [name, { type, data, dims } as unknown as TensorValue]),
    );
  } finally {
    await session.release();
  }
}
