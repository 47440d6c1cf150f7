import { copyFloats, openSegments, type SegmentPlan } from '@maestro/kernels';
import { type Device, errorMessage, MaestroError } from '@maestro/protocol';
import type { FlatLayout } from '../flatLayout.ts';
import { checkInputs, checkOutputs, parameterTensors, tensorViews } from '../gradients/parameterFeeds.ts';
import { floatTensor, int64Tensor, type ModelSource, openSession, type Session, type SessionTensor } from '../session.ts';
import type { ComputeHost } from '../threads/serveCompute.ts';

/** What the main thread sends to open the host. */
export interface EvaluatorHostOptions {
  readonly evalModel: ModelSource;
  readonly featureModel: ModelSource | undefined;
  readonly layout: FlatLayout;
  readonly plan: SegmentPlan;
  readonly imageShape: readonly [channels: number, height: number, width: number];
  readonly patches: number;
  readonly device: Device;
  readonly threads: number;
}

/** Images to evaluate. */
export interface EvaluationInput {
  /** [count, C, H, W]. */
  readonly images: Float32Array;
  /** [count, L]. */
  readonly idsShuffle: BigInt64Array;
  readonly count: number;
}

/** What the model makes of masked images. */
export interface Evaluation {
  /** Mean loss over the removed patches, per image: [count]. */
  readonly loss: Float32Array;
  /** In target space: [count, L, P]. */
  readonly prediction: Float32Array;
  /** 1 where a patch was removed: [count, L]. */
  readonly mask: Float32Array;
}

/** The calls of the evaluator's compute thread. */
export type EvaluatorCalls = Awaited<ReturnType<typeof openEvaluatorHost>>['calls'];

/** The compute thread's side of an evaluator. Outputs are copied once, by ONNX Runtime, and moved to the caller. */
export async function openEvaluatorHost({
  evalModel,
  featureModel,
  layout,
  plan,
  imageShape,
  patches,
  device,
  threads,
}: EvaluatorHostOptions) {
  const session = await openSession('eval model', evalModel, { device, threads });
  checkInputs('eval model', session, layout, ['images', 'ids_shuffle']);
  checkOutputs('eval model', session, ['loss', 'prediction', 'mask']);
  const featureSession = featureModel === undefined ? session : await openSession('feature model', featureModel, { device, threads });
  checkInputs('feature model', featureSession, layout, ['images', 'ids_shuffle']);
  checkOutputs('feature model', featureSession, ['features']);
  const { parameters } = openSegments({ plan, vectors: ['parameters'] }).vectors;
  const parameterFeeds = parameterTensors(layout, tensorViews(layout, parameters));
  const imageSize = imageShape[0] * imageShape[1] * imageShape[2];

  async function run(target: Session, images: Float32Array, idsShuffle: BigInt64Array, count: number, outputs: readonly string[]) {
    if (!Number.isInteger(count) || count < 1 || images.length < count * imageSize || idsShuffle.length < count * patches) {
      throw new MaestroError(
        'invalid-argument',
        `evaluate: ${count} samples need ${count * imageSize} image floats and ${count * patches} ids, found ${images.length} and ` +
          `${idsShuffle.length}`,
      );
    }
    const batch: Record<string, SessionTensor> = {
      images: floatTensor(Float32Array.from(images.subarray(0, count * imageSize)), [count, ...imageShape]),
      ids_shuffle: int64Tensor(BigInt64Array.from(idsShuffle.subarray(0, count * patches)), [count, patches]),
    };
    const feeds = Object.fromEntries(target.inputNames.map((name) => [name, batch[name] ?? parameterFeeds[name]!]));
    try {
      const results = await target.run(feeds, outputs);
      return (name: string) => results[name]!.data as Float32Array<ArrayBuffer>;
    } catch (cause) {
      throw new MaestroError('internal', `evaluate: ONNX Runtime failed on ${count} samples: ${errorMessage(cause)}`, { cause });
    }
  }

  const calls = {
    load(values: Float32Array): void {
      copyFloats(parameters, values);
    },

    async evaluate({ images, idsShuffle, count }: EvaluationInput): Promise<Evaluation> {
      const output = await run(session, images, idsShuffle, count, ['loss', 'prediction', 'mask']);
      return { loss: output('loss'), prediction: output('prediction'), mask: output('mask') };
    },

    async features({ images, count }: { readonly images: Float32Array; readonly count: number }): Promise<Float32Array> {
      const unshuffled = BigInt64Array.from({ length: count * patches }, (_, i) => BigInt(i % patches));
      return (await run(featureSession, images, unshuffled, count, ['features']))('features');
    },
  };
  const buffersOf = (result: unknown): ArrayBuffer[] =>
    (result instanceof Float32Array ? [result] : Object.values((result ?? {}) as Evaluation)).map(({ buffer }) => buffer as ArrayBuffer);
  return { ready: undefined, calls, transfer: buffersOf } satisfies ComputeHost<unknown, undefined>;
}
