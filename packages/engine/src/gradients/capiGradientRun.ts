import type { SegmentedFloats } from '@maestro/kernels';
import { errorMessage, MaestroError } from '@maestro/protocol';
import type { FlatLayout } from '@maestro/tensors';
import type { IoBinding } from '../capi/ioBinding.ts';
import type { OrtApi } from '../capi/ortApi.ts';
import { type OrtSession, openOrtSession } from '../capi/ortSession.ts';
import { type OrtMemory, type OrtValue, openMemory } from '../capi/ortValue.ts';
import { explainCudaFailure, isDeviceRefusal } from '../devices/cudaFailures.ts';
import { GRAD_SCALE, MicroBatchMemory } from '../trainer/microBatch.ts';
import type { MicroBatchInput, TrainerHostOptions } from '../trainer/trainerMessages.ts';
import type { GradientRun, MicroBatchLoss } from './gradientRun.ts';
import { checkInputs, checkOutputs, tensorViews } from './parameterFeeds.ts';

type Values = Readonly<Record<string, OrtValue>>;

/** The training session of the C API with its inputs and outputs bound to memory, here or on the device, made once. */
export class CapiGradientRun implements GradientRun {
  readonly outputPath = 'in-place';
  readonly outputPathReason = 'bound to memory by the C API';
  readonly stages = 1;
  readonly session: OrtSession;
  readonly memory: OrtMemory;
  readonly #inputs: MicroBatchMemory;
  /** The loss, and the model's `sums`. */
  readonly #scalars: Values;
  /** By replica. */
  readonly #parameters: readonly Values[];
  /** `grad.NAME`, by slot. */
  readonly #slots: readonly Values[];
  readonly #bindings = new Map<string, IoBinding>();
  readonly #batches = new Map<number, Values>();

  /** Opens the session. @throws MaestroError `invalid-argument` or `device-unavailable` when ONNX Runtime refuses it. */
  static open(
    api: OrtApi,
    options: TrainerHostOptions,
    place: (session: OrtSession, memory: OrtMemory) => { readonly parameters: readonly Values[]; readonly slots: readonly Values[] },
  ): CapiGradientRun {
    const session = openTrainingSession(api, options);
    const memory = openMemory(api);
    const { parameters, slots } = place(session, memory);
    return new CapiGradientRun(options, session, memory, parameters, slots);
  }

  private constructor(
    options: TrainerHostOptions,
    session: OrtSession,
    memory: OrtMemory,
    parameters: readonly Values[],
    slots: readonly Values[],
  ) {
    this.session = session;
    this.memory = memory;
    this.#inputs = new MicroBatchMemory(options);
    const scalars = Object.entries({ loss: this.#inputs.loss, ...this.#inputs.sums });
    this.#scalars = Object.fromEntries(scalars.map(([name, view]) => [name, memory.over(view, [])]));
    this.#parameters = parameters;
    this.#slots = slots;
  }

  async gradient(batch: MicroBatchInput, slot: number): Promise<MicroBatchLoss> {
    const { count, replica = 0 } = batch;
    this.#inputs.set(batch);
    const binding = this.#bindingOf(replica, slot);
    for (const [name, value] of Object.entries(this.#batchOf(count))) binding.input(name, value);
    let sendSeconds: number;
    try {
      sendSeconds = binding.run();
    } catch (cause) {
      const reason = explainCudaFailure(errorMessage(cause));
      throw new MaestroError('internal', `forwardBackward: ONNX Runtime failed on ${count} samples: ${reason}`, { cause });
    }
    return { loss: this.#inputs.loss[0]!, sums: Object.values(this.#inputs.sums).map(([sum]) => sum!), sendSeconds };
  }

  async close(): Promise<void> {
    for (const binding of this.#bindings.values()) binding.close();
    this.memory.close();
    this.session.close();
  }

  #bindingOf(replica: number, slot: number): IoBinding {
    const key = `${replica}/${slot}`;
    const known = this.#bindings.get(key);
    if (known !== undefined) return known;
    const binding = this.session.bind();
    this.#bindings.set(key, binding);
    for (const [name, value] of Object.entries(this.#parameters[replica]!)) binding.input(name, value);
    for (const [name, value] of Object.entries(this.#slots[slot]!)) binding.output(name, value);
    for (const [name, value] of Object.entries(this.#scalars)) binding.output(name, value);
    return binding;
  }

  #batchOf(count: number): Values {
    const values = this.#batches.get(count) ?? this.#inputs.inputs(count, (view, dims) => this.memory.over(view, dims));
    this.#batches.set(count, values);
    return values;
  }
}

function openTrainingSession(api: OrtApi, options: TrainerHostOptions): OrtSession {
  const { trainingModel, layout, inputs, sums, device } = options;
  let session: OrtSession;
  try {
    session = openOrtSession(api, trainingModel, options);
  } catch (cause) {
    const message = explainCudaFailure(errorMessage(cause));
    const code = isDeviceRefusal(message) ? 'device-unavailable' : 'invalid-argument';
    throw new MaestroError(code, `training model: ONNX Runtime refused it on ${device}: ${message}`, { cause });
  }
  checkInputs('training model', session, layout, { batch: inputs, others: [GRAD_SCALE] });
  checkOutputs('training model', session, ['loss', ...sums, ...layout.trainable.tensors.map(({ name }) => `grad.${name}`)]);
  return session;
}

/** One tensor per parameter over a vector in memory of this process, named `prefix` + name. */
export function valuesOver(memory: OrtMemory, layout: FlatLayout, vector: SegmentedFloats, prefix = ''): Record<string, OrtValue> {
  const views = tensorViews(layout, vector);
  return Object.fromEntries(layout.tensors.map(({ name, shape }) => [prefix + name, memory.over(views.get(name)!, shape)]));
}
