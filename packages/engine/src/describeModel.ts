import { openSession } from './session.ts';

/** An input or output of a model. */
export interface ModelValue {
  readonly name: string;
  /** Such as `float32`; empty for what is no tensor. */
  readonly type: string;
  /** A name for each dimension that is open. */
  readonly shape: readonly (number | string)[];
}

/** What goes into an ONNX model, and what comes out. */
export interface ModelDescription {
  readonly inputs: readonly ModelValue[];
  readonly outputs: readonly ModelValue[];
}

/**
 * Opens the ONNX model at `path` in ONNX Runtime, and says what it takes and gives.
 * @throws MaestroError `invalid-argument` when ONNX Runtime refuses it.
 */
export async function describeModel(path: string): Promise<ModelDescription> {
  const session = await openSession(path, path, { threads: 1, device: 'cpu' });
  try {
    const { inputMetadata, outputMetadata } = session;
    return { inputs: inputMetadata.map(describeValue), outputs: outputMetadata.map(describeValue) };
  } finally {
    await session.release();
  }
}

function describeValue(value: Awaited<ReturnType<typeof openSession>>['inputMetadata'][number]): ModelValue {
  const { name } = value;
  return value.isTensor ? { name, type: value.type, shape: value.shape } : { name, type: '', shape: [] };
}
