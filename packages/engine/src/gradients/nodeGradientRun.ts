import type { SegmentedFloats } from '@maestro/kernels';
import { errorMessage, MaestroError } from '@maestro/protocol';
import { explainCudaFailure } from '../devices/cudaFailures.ts';
import { floatTensor, openSession, type Session, type SessionTensor, tensorOver } from '../session.ts';
import { GRAD_SCALE, MicroBatchMemory } from '../trainer/microBatch.ts';
import type { MicroBatchInput, TrainerHostOptions } from '../trainer/trainerMessages.ts';
import type { GradientRun, MicroBatchLoss } from './gradientRun.ts';
import { bindOutputs, chooseOutputPath, type OutputBinding, type OutputPath, runCopying, runInPlace } from './outputPath.ts';
import { checkInputs, checkOutputs, parameterTensors, tensorViews } from './parameterFeeds.ts';

type Feeds = Readonly<Record<string, SessionTensor>>;

/** The training session of onnxruntime-node with its inputs and outputs over host memory, made once. */
export class NodeGradientRun implements GradientRun {
  readonly #session: Session;
  /** By replica. */
  readonly #parameters: readonly Feeds[];
  readonly #bindings: readonly OutputBinding[];
  readonly #inputs: MicroBatchMemory;
  /** Feeds by replica and number of samples, since a tensor has fixed dimensions. */
  readonly #feeds: readonly Map<number, Feeds>[];
  #path: OutputPath;
  readonly outputPathReason: string;
  readonly stages = 1;

  /** Opens the session over the parameters of each replica; the gradient goes to one of `slots`. */
  static async open(
    options: TrainerHostOptions,
    parameters: readonly SegmentedFloats[],
    slots: readonly SegmentedFloats[],
  ): Promise<NodeGradientRun> {
    const { trainingModel, layout, inputs, sums, outputPath } = options;
    const session = await openSession('training model', trainingModel, options);
    checkInputs('training model', session, layout, { batch: inputs, others: [GRAD_SCALE] });
    checkOutputs('training model', session, ['loss', ...sums, ...layout.trainable.tensors.map(({ name }) => `grad.${name}`)]);
    const status = session.outputMetadata[0];
    const choice =
      outputPath !== 'auto'
        ? { path: outputPath, reason: 'as configured' }
        : status === undefined || status.isTensor
          ? { path: 'copying' as const, reason: 'the first output of the training model is no sequence' }
          : await chooseOutputPath(options);
    return new NodeGradientRun(options, session, choice, parameters, slots);
  }

  private constructor(
    options: TrainerHostOptions,
    session: Session,
    choice: { readonly path: OutputPath; readonly reason: string },
    parameters: readonly SegmentedFloats[],
    slots: readonly SegmentedFloats[],
  ) {
    const { layout } = options;
    this.#session = session;
    this.#path = choice.path;
    this.outputPathReason = choice.reason;
    this.#parameters = parameters.map((vector) => parameterTensors(layout, tensorViews(layout, vector)));
    this.#feeds = parameters.map(() => new Map());
    this.#inputs = new MicroBatchMemory(options);
    const scalars = Object.entries({ loss: this.#inputs.loss, ...this.#inputs.sums }).map(([name, view]) => [name, floatTensor(view, [])]);
    this.#bindings = slots.map((slot) =>
      bindOutputs(session.outputNames[0]!, {
        ...Object.fromEntries(scalars),
        ...parameterTensors(layout.trainable, tensorViews(layout.trainable, slot), 'grad.'),
      }),
    );
  }

  get outputPath(): OutputPath {
    return this.#path;
  }

  async gradient(batch: MicroBatchInput, slot: number): Promise<MicroBatchLoss> {
    this.#inputs.set(batch);
    const feeds = this.#feedsOf(batch);
    const binding = this.#bindings[slot]!;
    let fallback: string | undefined;
    if (this.#path === 'in-place') {
      try {
        await runInPlace(this.#session, feeds, binding);
      } catch (error) {
        fallback = errorMessage(error);
      }
    }
    if (this.#path === 'copying' || fallback !== undefined) {
      try {
        await runCopying(this.#session, feeds, binding);
      } catch (cause) {
        const reason = explainCudaFailure(errorMessage(cause));
        throw new MaestroError('internal', `forwardBackward: ONNX Runtime failed on ${batch.count} samples: ${reason}`, { cause });
      }
      this.#path = 'copying';
    }
    return {
      loss: this.#inputs.loss[0]!,
      sums: Object.values(this.#inputs.sums).map(([sum]) => sum!),
      ...(fallback !== undefined && { fallback }),
    };
  }

  async close(): Promise<void> {
    await this.#session.release();
  }

  #feedsOf({ count, replica = 0 }: MicroBatchInput): Feeds {
    const known = this.#feeds[replica]!.get(count);
    if (known !== undefined) return known;
    const inputs = this.#inputs.inputs(count, tensorOver);
    const feeds: Feeds = { ...this.#parameters[replica], ...inputs };
    this.#feeds[replica]!.set(count, feeds);
    return feeds;
  }
}
