import { maxSegmentFloats, planSegments } from '@maestro/kernels';
import type { Device } from '@maestro/protocol';
import type { FlatLayout } from '@maestro/tensors';
import { requireDevice } from '../devices/device.ts';
import { startComputeThread } from '../threads/computeThread.ts';
import type { Evaluation, EvaluationInput, EvaluationModel, EvaluatorCalls, EvaluatorHostOptions } from './evaluatorHost.ts';

/** How to open an {@link Evaluator}. */
export interface EvaluatorOptions {
  /** Models over the same parameters, by what they are called. Each takes all or some of the parameters, and inputs of its own. */
  readonly models: Readonly<Record<string, EvaluationModel>>;
  readonly layout: FlatLayout;
  readonly device?: Device;
  readonly threads?: number;
}

/** Runs models in a compute thread of its own, with its own copy of the parameters. */
export interface Evaluator {
  /** Copies `layout.length` parameters in. SharedArrayBuffer-backed arrays are not copied on the way. */
  load(parameters: Float32Array): Promise<void>;
  /** The outputs of one of its models on a batch. */
  evaluate(input: EvaluationInput): Promise<Evaluation>;
  close(): Promise<void>;
}

/**
 * Opens an evaluator. Parameters are zero until `load`.
 *
 * @throws MaestroError `device-unavailable` with a diagnosis, or `invalid-argument` when a model and its inputs or layout do not fit.
 */
export async function openEvaluator({ models, layout, device = 'cpu', threads = 1 }: EvaluatorOptions): Promise<Evaluator> {
  await requireDevice('openEvaluator', device);
  const plan = planSegments({ length: layout.length, tensors: layout.tensors, maxFloats: maxSegmentFloats(1) });
  const options: EvaluatorHostOptions = { models, layout, plan, device, threads };
  const thread = await startComputeThread<EvaluatorCalls, undefined>({
    name: 'maestro-evaluator',
    entry: new URL('./evaluatorMain.js', import.meta.url),
    options,
  });
  return {
    load: (parameters) => thread.call('load', parameters),
    evaluate: (input) => thread.call('evaluate', input),
    close: () => thread.close(),
  };
}
