import { isShared, openModule, type WasmMemory } from '@maestro/kernels';
import { ADAMW_DEFAULTS, adamW } from './adamW.ts';
import type { ElementArithmetic } from './arithmetic.ts';
import { sgd } from './sgd.ts';
import type { UpdateKernel, UpdateRule } from './updateRule.ts';
import { SHARED_UPDATES, UNSHARED_UPDATES } from './updates.wasm.ts';

/**
 * A step of `length` elements over ranges of one memory, in place. Addresses are byte offsets, multiples of 4; `scalars` is where the
 * rule's scalars lie, as float32, in its order. A rule with one vector of moments passes over `secondMoments`. An address outside the
 * memory traps.
 */
export type UpdateElements = (
  parameters: number,
  gradient: number,
  firstMoments: number,
  secondMoments: number,
  length: number,
  scalars: number,
) => void;

/** The steps of all rules over one memory. */
export type UpdateKernels = Readonly<Record<UpdateKernel, UpdateElements>>;

/** What is compiled: settings are scalars, so there is one kernel for all settings that have the same operations. */
export const KERNEL_RULES: readonly UpdateRule[] = [
  adamW(ADAMW_DEFAULTS) as UpdateRule,
  sgd({ momentum: 0, nesterov: false }) as UpdateRule,
  sgd({ momentum: 0, nesterov: true }) as UpdateRule,
];

/** The kernels in WebAssembly SIMD. The module is some 2 kB and compiled once a thread. */
export function openUpdateKernels(memory: WasmMemory): UpdateKernels {
  return openModule(isShared(memory) ? SHARED_UPDATES : UNSHARED_UPDATES, memory) as UpdateKernels;
}

const { fround } = Math;

const FLOATS: ElementArithmetic<number> = {
  add: (a, b) => fround(a + b),
  sub: (a, b) => fround(a - b),
  mul: (a, b) => fround(a * b),
  div: (a, b) => fround(a / b),
  sqrt: (x) => fround(Math.sqrt(x)),
  keep: (x) => x,
};

/** Their twin in plain JavaScript: the same bits (but for the payload of a NaN), slower. What the WebAssembly is tested against. */
export function openJavaScriptUpdates({ buffer }: WasmMemory): UpdateKernels {
  const floats = new Float32Array(buffer);
  const open =
    (rule: UpdateRule): UpdateElements =>
    (parameters, gradient, firstMoments, secondMoments, length, scalarsAt) => {
      const pointers = [firstMoments, secondMoments].slice(0, rule.moments.length);
      if (Math.max(parameters, gradient, ...pointers) + 4 * length > buffer.byteLength) throw new RangeError('update: outside the memory');
      const scalars = Object.fromEntries(rule.scalars.map((name, i) => [name, floats[scalarsAt / 4 + i]!]));
      for (let i = 0; i < length; i++) {
        const state = { parameter: floats[parameters / 4 + i]!, moments: pointers.map((at) => floats[at / 4 + i]!) };
        const next = rule.update(FLOATS, state, floats[gradient / 4 + i]!, scalars);
        floats[parameters / 4 + i] = next.parameter;
        for (const [k, at] of pointers.entries()) floats[at / 4 + i] = next.moments[k]!;
      }
    };
  return Object.fromEntries(KERNEL_RULES.map((rule) => [rule.kernel, open(rule)])) as unknown as UpdateKernels;
}
