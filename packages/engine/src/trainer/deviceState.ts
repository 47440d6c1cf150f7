import { type AdamWOptions, adamWScalars, type SegmentedFloats } from '@maestro/kernels';
import type { IoBinding } from '../capi/ioBinding.ts';
import type { OrtApi } from '../capi/ortApi.ts';
import { type OrtSession, openOrtSession } from '../capi/ortSession.ts';
import type { OrtValue } from '../capi/ortValue.ts';
import { CapiGradientRun, valuesOver } from '../gradients/capiGradientRun.ts';
import { ADAMW_INPUTS, adamWModel, addModel, copyModel, sumSquaresModel } from './elementwiseModels.ts';
import type { GradientSlots } from './gradientSlots.ts';
import type { StateVector, TrainerHostOptions } from './trainerMessages.ts';

type Values = Readonly<Record<string, OrtValue>>;
type Scalars = Readonly<Record<(typeof ADAMW_INPUTS)[number], Float32Array>>;

const SHORT = { parameters: 'p', firstMoments: 'm', secondMoments: 'v' } as const;

/**
 * Parameters, moments and the gradient tree as tensors that stay on the device: a micro batch sends its images, and a step with peers
 * fetches its gradient and sends back the reduced one. The host's vectors are their image, brought up to date when somebody asks.
 */
export class DeviceState implements GradientSlots {
  readonly run: CapiGradientRun;
  readonly #layout: TrainerHostOptions['layout'];
  readonly #copy: OrtSession;
  readonly #add: OrtSession;
  readonly #adamW: OrtSession;
  readonly #sumSquares: OrtSession;
  readonly #squares = new Float32Array(1);
  readonly #state: Readonly<Record<StateVector, Values>>;
  readonly #slots: readonly Values[];
  readonly #images: Readonly<Record<StateVector, SegmentedFloats>>;
  readonly #reduced: SegmentedFloats;
  readonly #scalars: Scalars;
  /** Made when first used: copies by what they copy, sums by their slots, and the step. */
  readonly #bindings = new Map<string, IoBinding>();
  /** As long as the longest tensor, once it is needed. */
  #zeros: Float32Array | undefined;
  /** Where a vector is newer; both are alike when it is in none. */
  readonly #newer = new Map<StateVector, 'host' | 'device'>();

  constructor(api: OrtApi, options: TrainerHostOptions, images: Readonly<Record<StateVector, SegmentedFloats>>, reduced: SegmentedFloats) {
    const { layout, treeSlots } = options;
    const state: Partial<Record<StateVector, Values>> = {};
    let slots: readonly Values[] = [];
    this.run = CapiGradientRun.open(api, options, (session) => {
      const vector = (prefix: string): Values =>
        Object.fromEntries(layout.tensors.map(({ name, shape }) => [prefix + name, session.allocate(shape)]));
      for (const name of Object.keys(SHORT) as StateVector[]) state[name] = vector('');
      slots = Array.from({ length: treeSlots }, () => vector('grad.'));
      return { parameters: [state.parameters!], slots };
    });
    this.#layout = layout;
    this.#state = state as Record<StateVector, Values>;
    this.#slots = slots;
    this.#images = images;
    this.#reduced = reduced;
    this.#copy = openOrtSession(api, copyModel(layout), options);
    this.#add = openOrtSession(api, addModel(layout), options);
    this.#adamW = openOrtSession(api, adamWModel(layout), options);
    this.#sumSquares = openOrtSession(api, sumSquaresModel(layout), options);
    this.#scalars = Object.fromEntries(ADAMW_INPUTS.map((name) => [name, Float32Array.of(1)])) as unknown as Scalars;
    for (const name of Object.keys(SHORT) as StateVector[]) this.#newer.set(name, 'host');
  }

  /** The host's image of a vector was written. */
  wroteHost(vector: StateVector): void {
    this.#newer.set(vector, 'host');
  }

  /** Brings the host's image of a vector up to date. */
  toHost(vector: StateVector): void {
    if (this.#newer.get(vector) !== 'device') return;
    this.#bound(`fetch ${vector}`, this.#copy, (binding) => this.#bindCopy(binding, this.#state[vector], '', this.#images[vector])).run();
    this.#newer.delete(vector);
  }

  async gradient(...[batch, slot]: Parameters<GradientSlots['gradient']>): ReturnType<GradientSlots['gradient']> {
    this.#toDevice('parameters');
    return this.run.gradient(batch, slot);
  }

  add(into: number, from: number): void {
    this.#bound(`add ${into} ${from}`, this.#add, (binding) => {
      binding.input('one', this.run.memory.over(this.#scalars.one, []));
      for (const { name } of this.#layout.tensors) {
        const sum = this.#slots[into]![`grad.${name}`]!;
        binding.input(`into.${name}`, sum);
        binding.input(`from.${name}`, this.#slots[from]![`grad.${name}`]!);
        binding.output(`sum.${name}`, sum);
      }
    }).run();
  }

  clear(slot: number): void {
    this.#zeros ??= new Float32Array(Math.max(...this.#layout.tensors.map(({ size }) => size)));
    const zeros = this.#zeros;
    this.#bound(`clear ${slot}`, this.#copy, (binding) => {
      for (const { name, shape, size } of this.#layout.tensors) {
        binding.input(`from.${name}`, this.run.memory.over(zeros.subarray(0, size), shape));
        binding.output(`to.${name}`, this.#slots[slot]![`grad.${name}`]!);
      }
    }).run();
  }

  take(slot: number, target: SegmentedFloats, name: string): void {
    this.#bound(`take ${slot} ${name}`, this.#copy, (binding) => this.#bindCopy(binding, this.#slots[slot]!, 'grad.', target)).run();
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
   * One AdamW step on the gradient in a slot; without one, on the reduced gradient, which lies in host memory. Gives the seconds in which
   * that went to the device.
   */
  apply(options: AdamWOptions, slot?: number): number {
    for (const [name, value] of Object.entries(adamWScalars(options))) this.#scalars[name as keyof Scalars][0] = value;
    for (const vector of Object.keys(SHORT) as StateVector[]) this.#toDevice(vector);
    const sendSeconds = this.#bound(`adamW ${slot}`, this.#adamW, (binding) => {
      for (const name of ADAMW_INPUTS) binding.input(name, this.run.memory.over(this.#scalars[name], []));
      const gradient = slot === undefined ? valuesOver(this.run.memory, this.#layout, this.#reduced, 'grad.') : this.#slots[slot]!;
      for (const [name, value] of Object.entries(gradient)) binding.input(name, value);
      for (const [vector, short] of Object.entries(SHORT)) {
        for (const [name, value] of Object.entries(this.#state[vector as StateVector])) {
          binding.input(`${short}.${name}`, value);
          binding.output(`next.${short}.${name}`, value);
        }
      }
    }).run();
    for (const vector of Object.keys(SHORT) as StateVector[]) this.#newer.set(vector, 'device');
    return sendSeconds;
  }

  async close(): Promise<void> {
    for (const binding of this.#bindings.values()) binding.close();
    for (const session of [this.#copy, this.#add, this.#adamW, this.#sumSquares]) session.close();
    await this.run.close();
  }

  #toDevice(vector: StateVector): void {
    if (this.#newer.get(vector) !== 'host') return;
    this.#bound(`send ${vector}`, this.#copy, (binding) => {
      const images = valuesOver(this.run.memory, this.#layout, this.#images[vector]);
      for (const [name, value] of Object.entries(images)) {
        binding.input(`from.${name}`, value);
        binding.output(`to.${name}`, this.#state[vector][name]!);
      }
    }).run();
    this.#newer.delete(vector);
  }

  #bindCopy(binding: IoBinding, source: Values, prefix: string, target: SegmentedFloats): void {
    for (const [name, value] of Object.entries(valuesOver(this.run.memory, this.#layout, target))) {
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
