import { copyFloats, openSegments, type SegmentPlan } from '@maestro/kernels';
import { assertInternal, type BatchInput, type BatchViews, type Device, elementsOf, errorMessage, MaestroError } from '@maestro/protocol';
import type { FlatLayout } from '@maestro/tensors';
import { checkInputs, checkOutputs, parameterTensors, requireInput, tensorViews } from '../gradients/parameterFeeds.ts';
import { type ModelSource, openSession, type Session, type SessionTensor, tensorOver } from '../session.ts';
import type { ComputeHost } from '../threads/serveCompute.ts';

/** A model that is run on batches, with parameters by name among its inputs. */
export interface EvaluationModel {
  readonly model: ModelSource;
  /** What each sample has for it. */
  readonly inputs: readonly BatchInput[];
  /** What it is asked for, float32. */
  readonly outputs: readonly string[];
}

/** What the main thread sends to open the host. */
export interface EvaluatorHostOptions {
  readonly models: Readonly<Record<string, EvaluationModel>>;
  readonly layout: FlatLayout;
  readonly plan: SegmentPlan;
  readonly device: Device;
  readonly threads: number;
}

/** Samples for a model. */
export interface EvaluationInput {
  /** Which of the models. */
  readonly model: string;
  /** `count` samples of each of its inputs, or more. */
  readonly inputs: BatchViews;
  readonly count: number;
}

/** What a model gave: its outputs by name. */
export type Evaluation = Readonly<Record<string, Float32Array>>;

/** The calls of the evaluator's compute thread. */
export type EvaluatorCalls = Awaited<ReturnType<typeof openEvaluatorHost>>['calls'];

/** The compute thread's side of an evaluator. Outputs are copied once, by ONNX Runtime, and moved to the caller. */
export async function openEvaluatorHost({ models, layout, plan, device, threads }: EvaluatorHostOptions) {
  const sessions = new Map<string, Session>();
  for (const [name, { model, inputs, outputs }] of Object.entries(models)) {
    const session = await openSession(`${name} model`, model, { device, threads });
    checkInputs(`${name} model`, session, layout, { batch: inputs });
    checkOutputs(`${name} model`, session, outputs);
    sessions.set(name, session);
  }
  const { parameters } = openSegments({ plan, vectors: ['parameters'] }).vectors;
  const parameterFeeds = parameterTensors(layout, tensorViews(layout, parameters));

  const calls = {
    load(values: Float32Array): void {
      copyFloats(parameters, values);
    },

    async evaluate({ model, inputs, count }: EvaluationInput): Promise<Evaluation> {
      const [session, asked] = [sessions.get(model), models[model]];
      assertInternal(session && asked, `the evaluator has no model ${model}`);
      if (!Number.isInteger(count) || count < 1) {
        throw new MaestroError('invalid-argument', `evaluate: expected a count of at least 1, found ${count}`);
      }
      const batch: Record<string, SessionTensor> = {};
      for (const input of asked.inputs) {
        // ONNX Runtime takes no shared memory.
        const values = requireInput('evaluate', input, inputs, count).slice(0, count * elementsOf(input));
        batch[input.name] = tensorOver(values, [count, ...input.shape]);
      }
      const feeds = Object.fromEntries(session.inputNames.map((name) => [name, batch[name] ?? parameterFeeds[name]!]));
      try {
        const results = await session.run(feeds, asked.outputs);
        return Object.fromEntries(asked.outputs.map((name) => [name, results[name]!.data as Float32Array]));
      } catch (cause) {
        throw new MaestroError('internal', `evaluate: ONNX Runtime failed on ${count} samples: ${errorMessage(cause)}`, { cause });
      }
    },
  };
  const buffersOf = (result: unknown): ArrayBuffer[] =>
    Object.values((result ?? {}) as Evaluation).map(({ buffer }) => buffer as ArrayBuffer);
  return { ready: undefined, calls, transfer: buffersOf } satisfies ComputeHost<unknown, undefined>;
}
