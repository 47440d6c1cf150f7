import { errorMessage, MaestroError } from '@maestro/protocol';
import type { IoBinding } from '../capi/ioBinding.ts';
import type { OrtApi, Pointer } from '../capi/ortApi.ts';
import { type OrtSession, openOrtSession } from '../capi/ortSession.ts';
import { type OrtMemory, type OrtValue, openMemory } from '../capi/ortValue.ts';
import { MicroBatchMemory } from '../trainer/microBatch.ts';
import type { MicroBatchInput, TrainerHostOptions } from '../trainer/trainerMessages.ts';
import type { GradientRun, MicroBatchLoss } from './gradientRun.ts';

type Values = Readonly<Record<string, OrtValue>>;

/** A stage of the training graph. */
interface Stage {
  readonly session: OrtSession;
  readonly inputs: ReadonlySet<string>;
  readonly outputs: ReadonlySet<string>;
  /** Inputs that an earlier stage gives, and outputs that a later one takes. */
  readonly takes: readonly string[];
  readonly gives: readonly string[];
  /** By replica and slot. */
  readonly bindings: Map<string, IoBinding>;
}

/**
 * The training graph in stages, each a session of the C API: after stage k the gradients are there that it is to give. What the backward
 * pass needs of earlier stages stays in memory of ONNX Runtime, which is taken in the first run with a number of samples and used again.
 */
export class StagedGradientRun implements GradientRun {
  readonly outputPath = 'in-place';
  readonly outputPathReason = 'bound to memory by the C API';
  readonly #api: OrtApi;
  readonly #memory: OrtMemory;
  /** Undefined: nothing is left to compute. */
  readonly #stages: readonly (Stage | undefined)[];
  readonly #inputs: MicroBatchMemory;
  /** The loss, and the model's `sums`. */
  readonly #scalars: Values;
  /** By replica. */
  readonly #parameters: readonly Values[];
  /** `grad.NAME`, by slot. */
  readonly #slots: readonly Values[];
  readonly #batches = new Map<number, Values>();
  /** What stages give to later ones, for batches of `#count` samples. */
  readonly #carried = new Map<string, Pointer>();
  #count = 0;

  /** Opens the sessions. @throws MaestroError `invalid-argument` when ONNX Runtime refuses a stage. */
  constructor(
    api: OrtApi,
    options: TrainerHostOptions,
    place: (memory: OrtMemory) => { readonly parameters: readonly Values[]; readonly slots: readonly Values[] },
  ) {
    this.#api = api;
    this.#memory = openMemory(api);
    const { parameters, slots } = place(this.#memory);
    this.#parameters = parameters;
    this.#slots = slots;
    this.#inputs = new MicroBatchMemory(options);
    const scalars = Object.entries({ loss: this.#inputs.loss, ...this.#inputs.sums });
    this.#scalars = Object.fromEntries(scalars.map(([name, view]) => [name, this.#memory.over(view, [])]));
    this.#stages = this.#open(options);
  }

  get stages(): number {
    return this.#stages.length;
  }

  async gradient(batch: MicroBatchInput, slot: number, stage?: number): Promise<MicroBatchLoss> {
    if (stage === undefined || stage === 0) this.#begin(batch);
    const due = stage === undefined ? this.#stages : [this.#stages[stage]];
    for (const each of due) if (each !== undefined) this.#run(each, batch, slot);
    return { loss: this.#inputs.loss[0]!, sums: Object.values(this.#inputs.sums).map(([sum]) => sum!) };
  }

  async close(): Promise<void> {
    this.#forget();
    for (const each of this.#stages) each?.session.close();
    this.#memory.close();
  }

  #open(options: TrainerHostOptions): readonly (Stage | undefined)[] {
    const { sums, layout, stages } = options;
    const known = new Set([...Object.keys(this.#parameters[0]!), ...Object.keys(this.#batchOf(1))]);
    const sessions = stages.map(({ model }) => {
      try {
        return model && openOrtSession(this.#api, model, options);
      } catch (cause) {
        throw new MaestroError('invalid-argument', `training model: ONNX Runtime refused a stage: ${errorMessage(cause)}`, { cause });
      }
    });
    const opened = sessions.map((session): Stage | undefined => {
      if (session === undefined) return undefined;
      const inputs = new Set(session.inputMetadata.map(({ name }) => name));
      const outputs = new Set(session.outputNames);
      const takes = [...inputs].filter((name) => !known.has(name));
      const gives = [...outputs].filter((name) => !(name in this.#scalars) && !(name in this.#slots[0]!));
      return { session, inputs, outputs, takes, gives, bindings: new Map() };
    });
    const given = new Set(opened.flatMap((each) => [...(each?.outputs ?? [])]));
    const missing = ['loss', ...sums, ...layout.trainable.tensors.map(({ name }) => `grad.${name}`)].find((name) => !given.has(name));
    if (missing !== undefined) throw new MaestroError('invalid-argument', `training model: no stage has an output ${missing}`);
    return opened;
  }

  /** Takes the batch. Memory between stages has the dimensions of one number of samples. */
  #begin(batch: MicroBatchInput): void {
    this.#inputs.set(batch);
    if (batch.count !== this.#count) this.#forget();
    this.#count = batch.count;
  }

  #run(stage: Stage, { count, replica = 0 }: MicroBatchInput, slot: number): void {
    const binding = this.#bindingOf(stage, replica, slot);
    try {
      binding.run();
    } catch (cause) {
      throw new MaestroError('internal', `forwardBackward: ONNX Runtime failed on ${count} samples: ${errorMessage(cause)}`, { cause });
    }
    if (stage.gives.every((name) => this.#carried.has(name))) return;
    for (const [name, value] of binding.carried(stage.gives)) this.#carried.set(name, value);
  }

  #bindingOf({ session, inputs, outputs, takes, gives, bindings }: Stage, replica: number, slot: number): IoBinding {
    const key = `${replica}/${slot}`;
    const known = bindings.get(key);
    if (known !== undefined) return known;
    const binding = session.bind();
    bindings.set(key, binding);
    const entries = { ...this.#parameters[replica]!, ...this.#batchOf(this.#count) };
    for (const [name, value] of Object.entries(entries)) if (inputs.has(name)) binding.input(name, value);
    for (const [name, value] of Object.entries({ ...this.#slots[slot]!, ...this.#scalars })) {
      if (outputs.has(name)) binding.output(name, value);
    }
    for (const name of takes) binding.carryIn(name, this.#carried.get(name)!);
    for (const name of gives) binding.carryOut(name, this.#carried.get(name), this.#memory.info);
    return binding;
  }

  #batchOf(count: number): Values {
    const values = this.#batches.get(count) ?? this.#inputs.inputs(count, (view, dims) => this.#memory.over(view, dims));
    this.#batches.set(count, values);
    return values;
  }

  /** Frees what is bound and what is carried. */
  #forget(): void {
    for (const each of this.#stages) {
      for (const binding of each?.bindings.values() ?? []) binding.close();
      each?.bindings.clear();
    }
    for (const value of this.#carried.values()) this.#api.release('Value', value);
    this.#carried.clear();
  }
}
