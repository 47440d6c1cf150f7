import { maxSegmentFloats, planSegments } from '@maestro/kernels';
import type { Device } from '@maestro/protocol';
import { requireDevice } from '../devices/device.ts';
import type { FlatLayout } from '../flatLayout.ts';
import type { ModelSource } from '../session.ts';
import { startComputeThread } from '../threads/computeThread.ts';
import type { Evaluation, EvaluationInput, EvaluatorCalls, EvaluatorHostOptions } from './evaluatorHost.ts';

/** How to open an {@link Evaluator}. */
export interface EvaluatorOptions {
  /**
   * Inputs: every parameter by name, `images` [N,C,H,W], `ids_shuffle` int64 [N,L]. Outputs: `loss` [N], `prediction` [N,L,P], `mask` [N,L]
   * and, without a feature model, `features` [N,D].
   */
  readonly evalModel: ModelSource;
  /** Output `features` [N,D] from some of the same inputs: spares what the eval model computes besides. */
  readonly featureModel?: ModelSource;
  readonly layout: FlatLayout;
  readonly imageShape: readonly [channels: number, height: number, width: number];
  /** Patches of an image, L. */
  readonly patches: number;
  readonly device?: Device;
  readonly threads?: number;
}

/** Runs the eval model in a compute thread of its own, with its own copy of the parameters. */
export interface Evaluator {
  /** Copies `layout.length` parameters in. SharedArrayBuffer-backed arrays are not copied on the way. */
  load(parameters: Float32Array): Promise<void>;
  evaluate(input: EvaluationInput): Promise<Evaluation>;
  /** Mean patch token of the normalised encoder output, all patches visible: [count, D]. */
  features(images: Float32Array, count: number): Promise<Float32Array>;
  close(): Promise<void>;
}

/**
 * Opens an evaluator. Parameters are zero until `load`.
 *
 * @throws MaestroError `device-unavailable` with a diagnosis, or `invalid-argument` when model and layout do not fit.
 */
export async function openEvaluator({
  evalModel,
  featureModel,
  layout,
  imageShape,
  patches,
  device = 'cpu',
  threads = 1,
}: EvaluatorOptions): Promise<Evaluator> {
  await requireDevice('openEvaluator', device);
  const plan = planSegments({ length: layout.length, tensors: layout.tensors, maxFloats: maxSegmentFloats(1) });
  const options: EvaluatorHostOptions = { evalModel, featureModel, layout, plan, imageShape, patches, device, threads };
  const thread = await startComputeThread<EvaluatorCalls, undefined>({
    name: 'maestro-evaluator',
    entry: new URL('./evaluatorMain.js', import.meta.url),
    options,
  });
  return {
    load: (parameters) => thread.call('load', parameters),
    evaluate: (input) => thread.call('evaluate', input),
    features: (images, count) => thread.call('features', { images, count }),
    close: () => thread.close(),
  };
}
