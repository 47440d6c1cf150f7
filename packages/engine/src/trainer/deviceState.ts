import { encodeModel } from '@maestro/graph';
import type { SegmentedFloats } from '@maestro/kernels';
import { deviceScalars, deviceScalarValues, deviceUpdateGraph, type StateVector, type StepOptions, stateVectors } from '@maestro/optim';
import type { FlatLayout } from '@maestro/tensors';
import type { IoBinding } from '../capi/ioBinding.ts';
import type { OrtApi } from '../capi/ortApi.ts';
import { type OrtSession, openOrtSession } from '../capi/ortSession.ts';
import type { OrtValue } from '../capi/ortValue.ts';
import { CapiGradientRun, valuesOver } from '../gradients/capiGradientRun.ts';
import { addModel, copyModel, sumSquaresModel } from './elementwiseModels.ts';
import type { GradientSlots } from './gradientSlots.ts';
import type { StateVectors, TrainerHostOptions } from './trainerMessages.ts';

type Values = Readonly<Record<string, OrtValue>>;
/** What the update's graph calls the vectors. */
const SHORT = { parameters: 'p', firstMoments: 'm0', secondMoments: 'm1' } as const;

/**
 * Parameters, moments and the gradient tree as tensors that stay on the device: a micro batch sends its images, and a step with peers
 * fetches its gradient and sends back the reduced one. The host's vectors are their image, brought up to date when somebody asks.
 */
export class DeviceState implements GradientSlots {
  readonly run: CapiGradientRun;
  readonly #options: TrainerHostOptions;
  readonly #names: readonly StateVector[];
  /** Copies of parameters, and of vectors as long as what is trainable. */
  readonly #copies: Readonly<Record<'all' | 'trainable', OrtSession>>;
  readonly #add: OrtSession;
  readonly #update: OrtSession;
  readonly #sumSquares: OrtSession;
  readonly #squares = new Float32Array(1);
  readonly #state: Readonly<Partial<Record<StateVector, Values>>>;
  readonly #slots: readonly Values[];
  readonly #images: StateVectors;
  readonly #reduced: SegmentedFloats;
  readonly #scalars: ReadonlyMap<string, Float32Array>;
  /** Made when first used: copies by what they copy, sums by their slots, and the step. */
  readonly #bindings = new Map<string, IoBinding>();
  /** As long as the longest tensor, once it is needed. */
  #zeros: Float32Array | undefined;
  /** Where a vector is newer; both are alike when it is in none. */
  readonly #newer = new Map<StateVector, 'host' | 'device'>();

  constructor(api: OrtApi, options: TrainerHostOptions, images: StateVectors, reduced: SegmentedFloats) {
    const { layout, optimizer, treeSlots } = options;
    const { trainable } = layout;
    this.#names = stateVectors(optimizer);
    const state: Partial<Record<StateVector, Values>> = {};
    let slots: readonly Values[] = [];
    this.run = CapiGradientRun.open(api, options, (session) => {
      const vector = ({ tensors }: FlatLayout, prefix = ''): Values =>
        Object.fromEntries(tensors.map(({ name, shape }) => [prefix + name, session.allocate(shape)]));
      for (const name of this.#names) state[name] = vector(name === 'parameters' ? layout : trainable);
      slots = Array.from({ length: treeSlots }, () => vector(trainable, 'grad.'));
      return { parameters: [state.parameters!], slots };
    });
    this.#options = options;
    this.#state = state;
    this.#slots = slots;
    this.#images = images;
    this.#reduced = reduced;
    const copyOfTrainable = openOrtSession(api, copyModel(trainable), options);
    const isAllTrainable = trainable.tensors.length === layout.tensors.length;
    this.#copies = { trainable: copyOfTrainable, all: isAllTrainable ? copyOfTrainable : openOrtSession(api, copyModel(layout), options) };
    this.#add = openOrtSession(api, addModel(trainable), options);
    this.#update = openOrtSession(api, encodeModel(deviceUpdateGraph(trainable.tensors, optimizer)), options);
    this.#sumSquares = openOrtSession(api, sumSquaresModel(trainable), options);
    this.#scalars = new Map(deviceScalars(trainable.tensors, optimizer).map((name) => [name, Float32Array.of(1)]));
    for (const name of this.#names) this.#newer.set(name, 'host');
  }

  /** The host's image of a vector was written. */
  wroteHost(vector: StateVector): void {
    this.#newer.set(vector, 'host');
  }

  /** Brings the host's image of a vector up to date. */
  toHost(vector: StateVector): void {
    if (this.#newer.get(vector) !== 'device') return;
    this.#bound(`fetch ${vector}`, this.#copyOf(vector), (binding) =>
      this.#bindCopy(binding, this.#layoutOf(vector), this.#state[vector]!, '', this.#images[vector]!),
    ).run();
    this.#newer.delete(vector);
  }

  /** The graph is run whole: what is on a device leaves it whole. */
  readonly stages = 1;

  async gradient(...[batch, slot]: Parameters<GradientSlots['gradient']>): ReturnType<GradientSlots['gradient']> {
    this.#toDevice('parameters');
    return this.run.gradient(batch, slot);
  }

  add(into: number, from: number): void {
    this.#bound(`add ${into} ${from}`, this.#add, (binding) => {
      binding.input('one', this.run.memory.over(this.#scalars.get('one')!, []));
      for (const { name } of this.#options.layout.trainable.tensors) {
        const sum = this.#slots[into]![`grad.${name}`]!;
        binding.input(`into.${name}`, sum);
        binding.input(`from.${name}`, this.#slots[from]![`grad.${name}`]!);
        binding.output(`sum.${name}`, sum);
      }
    }).run();
  }

  clear(slot: number): void {
    const { tensors } = this.#options.layout.trainable;
    this.#zeros ??= new Float32Array(Math.max(...tensors.map(({ size }) => size)));
    const zeros = this.#zeros;
    this.#bound(`clear ${slot}`, this.#copies.trainable, (binding) => {
      for (const { name, shape, size } of tensors) {
        binding.input(`from.${name}`, this.run.memory.over(zeros.subarray(0, size), shape));
        binding.output(`to.${name}`, this.#slots[slot]![`grad.${name}`]!);
      }
    }).run();
  }

  take(slot: number, target: SegmentedFloats, name: string): void {
    this.#bound(`take ${slot} ${name}`, this.#copies.trainable, (binding) =>
      this.#bindCopy(binding, this.#options.layout.trainable, this.#slots[slot]!, 'grad.', target),
    ).run();
  }

  /** The sum of squares of a gradient, in float32: infinite where that overflows. */
  sumSquares(slot: number): number {
    this.#bound(`squares ${slot}`, this.#sumSquares, (binding) => {
      for (const [name, value] of Object.entries(this.#slots[slot]!)) binding.input(name, value);
      binding.output('squares', this.run.memory.over(this.#squares, []));
    }).run();
    return this.#squares[0]!;
  }

  /**
   * One step of the optimiser on the gradient in a slot; without one, on the reduced gradient, which lies in host memory. Gives the seconds
   * in which that went to the device.
   */
  apply(step: StepOptions, slot?: number): number {
    const { layout, optimizer } = this.#options;
    const { trainable } = layout;
    for (const [name, value] of deviceScalarValues(trainable.tensors, optimizer, step)) this.#scalars.get(name)![0] = value;
    for (const vector of this.#names) this.#toDevice(vector);
    const sendSeconds = this.#bound(`update ${slot}`, this.#update, (binding) => {
      for (const [name, value] of this.#scalars) binding.input(name, this.run.memory.over(value, []));
      const gradient = slot === undefined ? valuesOver(this.run.memory, trainable, this.#reduced, 'grad.') : this.#slots[slot]!;
      for (const [name, value] of Object.entries(gradient)) binding.input(name, value);
      for (const vector of this.#names) {
        for (const { name } of trainable.tensors) {
          const value = this.#state[vector]![name]!;
          binding.input(`${SHORT[vector]}.${name}`, value);
          binding.output(`next.${SHORT[vector]}.${name}`, value);
        }
      }
    }).run();
    for (const vector of this.#names) this.#newer.set(vector, 'device');
    return sendSeconds;
  }

  async close(): Promise<void> {
    for (const binding of this.#bindings.values()) binding.close();
    const copies = new Set(Object.values(this.#copies));
    for (const session of [...copies, this.#add, this.#update, this.#sumSquares]) session.close();
    await this.run.close();
  }

  #toDevice(vector: StateVector): void {
    if (this.#newer.get(vector) !== 'host') return;
    this.#bound(`send ${vector}`, this.#copyOf(vector), (binding) => {
      const images = valuesOver(this.run.memory, this.#layoutOf(vector), this.#images[vector]!);
      for (const [name, value] of Object.entries(images)) {
        binding.input(`from.${name}`, value);
        binding.output(`to.${name}`, this.#state[vector]![name]!);
      }
    }).run();
    this.#newer.delete(vector);
  }

  #layoutOf(vector: StateVector): FlatLayout {
    const { layout } = this.#options;
    return vector === 'parameters' ? layout : layout.trainable;
  }

  #copyOf(vector: StateVector): OrtSession {
    return this.#copies[vector === 'parameters' ? 'all' : 'trainable'];
  }

  #bindCopy(binding: IoBinding, layout: FlatLayout, source: Values, prefix: string, target: SegmentedFloats): void {
    for (const [name, value] of Object.entries(valuesOver(this.run.memory, layout, target))) {
      binding.input(`from.${name}`, source[prefix + name]!);
      binding.output(`to.${name}`, value);
    }
  }

  #bound(key: string, session: OrtSession, bind: (binding: IoBinding) => void): IoBinding {
    const known = this.#bindings.get(key);
    if (known !== undefined) return known;
    const binding = session.bind();
    this.#bindings.set(key, binding);
    bind(binding);
    return binding;
  }
}
