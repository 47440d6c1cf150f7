import { type Arena, openArena, type SegmentedFloats } from '@maestro/kernels';
import { errorMessage, MaestroError } from '@maestro/protocol';
import { bindOutputs, chooseOutputPath, type OutputBinding, type OutputPath, runCopying, runInPlace } from './outputPath.ts';
import { checkInputs, checkOutputs, parameterTensors, tensorViews } from './parameterFeeds.ts';
import { floatTensor, int64Tensor, openSession, type Session, type SessionTensor } from './session.ts';
import type { MicroBatchInput, TrainerHostOptions, TrainerReady } from './trainerHost.ts';

type Feeds = Readonly<Record<string, SessionTensor>>;

/** The training session with its inputs and outputs bound to memory: everything that a step needs, made once. */
export class GradientRun {
  readonly #options: TrainerHostOptions;
  readonly #session: Session;
  /** By replica. */
  readonly #parameters: readonly Feeds[];
  readonly #bindings: readonly OutputBinding[];
  readonly #inputs: Arena<'images' | 'idsShuffle' | 'gradScale' | 'loss'>;
  readonly #idsShuffle: BigInt64Array;
  /** Feeds by replica and number of samples, since a tensor has fixed dimensions. */
  readonly #feeds: readonly Map<number, Feeds>[];
  #path: OutputPath;
  readonly #reason: string;

  /** Opens the session over the parameters of each replica; the gradient goes to one of `slots`. */
  static async open(
    options: TrainerHostOptions,
    parameters: readonly SegmentedFloats[],
    slots: readonly SegmentedFloats[],
  ): Promise<GradientRun> {
    const { trainingModel, layout, device, threads, outputPath } = options;
    const session = await openSession('training model', trainingModel, { device, threads });
    checkInputs('training model', session, layout, ['images', 'ids_shuffle', 'grad_scale']);
    checkOutputs('training model', session, ['loss', ...layout.tensors.map(({ name }) => `grad.${name}`)]);
    const status = session.outputMetadata[0];
    const choice =
      outputPath !== 'auto'
        ? { path: outputPath, reason: 'as configured' }
        : status === undefined || status.isTensor
          ? { path: 'copying' as const, reason: 'the first output of the training model is no sequence' }
          : await chooseOutputPath({ device, threads });
    return new GradientRun(options, session, choice, parameters, slots);
  }

  private constructor(
    options: TrainerHostOptions,
    session: Session,
    choice: { readonly path: OutputPath; readonly reason: string },
    parameters: readonly SegmentedFloats[],
    slots: readonly SegmentedFloats[],
  ) {
    const { layout, imageShape, patches, microBatch } = options;
    this.#options = options;
    this.#session = session;
    this.#path = choice.path;
    this.#reason = choice.reason;
    this.#parameters = parameters.map((vector) => parameterTensors(layout, tensorViews(layout, vector)));
    this.#feeds = parameters.map(() => new Map());
    this.#inputs = openArena({
      ranges: { images: microBatch * sizeOf(imageShape), idsShuffle: 2 * microBatch * patches, gradScale: 1, loss: 1 },
    });
    const { idsShuffle, loss } = this.#inputs.ranges;
    this.#idsShuffle = new BigInt64Array(idsShuffle.buffer, idsShuffle.byteOffset, microBatch * patches);
    const lossTensor = floatTensor(loss, []);
    this.#bindings = slots.map((slot) =>
      bindOutputs(session.outputNames[0]!, { loss: lossTensor, ...parameterTensors(layout, tensorViews(layout, slot), 'grad.') }),
    );
  }

  get ready(): TrainerReady {
    return { outputPath: this.#path, outputPathReason: this.#reason };
  }

  /** Writes the gradient of one micro batch to `slots[slot]`. */
  async gradient(batch: MicroBatchInput, slot: number): Promise<{ readonly loss: number; readonly fallback?: string }> {
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
        throw new MaestroError('internal', `forwardBackward: ONNX Runtime failed on ${batch.count} samples: ${errorMessage(cause)}`, {
          cause,
        });
      }
      this.#path = 'copying';
    }
    return { loss: this.#inputs.ranges.loss[0]!, ...(fallback !== undefined && { fallback }) };
  }

  /** Copies the batch to where the tensors look, and gives the tensors. */
  #feedsOf({ images, idsShuffle, count, gradScale, replica = 0 }: MicroBatchInput): Feeds {
    const { imageShape, patches, microBatch } = this.#options;
    const expected = { images: count * sizeOf(imageShape), idsShuffle: count * patches };
    if (!Number.isInteger(count) || count < 1 || count > microBatch) {
      throw new MaestroError('invalid-argument', `forwardBackward: count must be in 1..${microBatch}, found ${count}`);
    }
    if (images.length < expected.images || idsShuffle.length < expected.idsShuffle) {
      throw new MaestroError(
        'invalid-argument',
        `forwardBackward: ${count} samples need ${expected.images} image floats and ${expected.idsShuffle} ids, found ${images.length} and ${idsShuffle.length}`,
      );
    }
    const ranges = this.#inputs.ranges;
    ranges.images.set(images.subarray(0, expected.images));
    this.#idsShuffle.set(idsShuffle.subarray(0, expected.idsShuffle));
    ranges.gradScale[0] = gradScale;
    const known = this.#feeds[replica]!.get(count);
    if (known !== undefined) return known;
    const feeds: Feeds = {
      ...this.#parameters[replica],
      images: floatTensor(ranges.images.subarray(0, expected.images), [count, ...imageShape]),
      ids_shuffle: int64Tensor(this.#idsShuffle.subarray(0, expected.idsShuffle), [count, patches]),
      grad_scale: floatTensor(ranges.gradScale, []),
    };
    this.#feeds[replica]!.set(count, feeds);
    return feeds;
  }
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, dim) => product * dim, 1);
}
