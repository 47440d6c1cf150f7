import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { runModel, type TensorValue } from '@maestro/engine';
import { openArena } from '@maestro/kernels';
import {
  ADAMW_DEFAULTS,
  buildOptimizerModel,
  type OptimizerSettings,
  OptimizerStep,
  ruleOf,
  type StateVector,
  stateVectors,
  stepScratch,
} from '@maestro/optim';
import { type FlatLayout, flatLayout, parameterSpec } from '@maestro/tensors';
import { hashed } from '../support/model/formula.ts';
import { fixtureUrl } from './readFixture.ts';

/** A reference's parameters and momentum buffers after each step, in float64. */
interface Road {
  readonly settings: OptimizerSettings;
  readonly steps: readonly { readonly parameters: readonly number[][]; readonly buffers: readonly number[][] }[];
}

interface Fixture {
  readonly shapes: readonly number[][];
  readonly lrScales: readonly number[];
  readonly rates: readonly number[];
  readonly start: readonly number[][];
  /** By step. */
  readonly gradients: readonly (readonly number[][])[];
  readonly roads: readonly Road[];
}

const fixture = JSON.parse(readFileSync(fixtureUrl('optimizers.json'), 'utf8')) as Fixture;
const { trainable: layout } = flatLayout(
  fixture.shapes.map((shape, i) => parameterSpec(`p${i}`, shape, { lrScale: fixture.lrScales[i]! })),
);

/** An optimiser on the host: the state by name, and a step of it on a gradient. */
function openHost(settings: OptimizerSettings, of: FlatLayout, start: Float32Array) {
  const { length } = of;
  const names = stateVectors(settings);
  const vectors = Object.fromEntries([...names, 'gradient'].map((name) => [name, length]));
  const arena = openArena<string>({ ranges: { ...vectors, ...stepScratch(settings, of) } });
  const gradient = { length, parts: [{ start: 0, floats: arena.ranges['gradient']!, arena }] };
  const optimizer = new OptimizerStep({ settings, layout: of, arenas: [arena], gradient });
  arena.ranges['parameters']!.set(start);
  return {
    state: Object.fromEntries(names.map((name) => [name, arena.ranges[name]!])) as Record<StateVector, Float32Array>,
    step(values: Float32Array, lr: number, step: number): void {
      arena.ranges['gradient']!.set(values);
      optimizer.apply({ lr, step });
    },
  };
}

/** The same by the portable graph on ONNX Runtime. */
function openPortable(settings: OptimizerSettings, of: FlatLayout, start: Float32Array) {
  const model = buildOptimizerModel(of.tensors, settings);
  const prefixes = ['', ...ruleOf(settings).moments.map((moment) => `${moment}.`)];
  const state = Object.fromEntries(stateVectors(settings).map((name) => [name, new Float32Array(of.length)])) as Record<
    StateVector,
    Float32Array
  >;
  state.parameters.set(start);
  const vectors = Object.values(state);
  return {
    state,
    async step(gradient: Float32Array, lr: number, step: number): Promise<void> {
      const feeds: Record<string, TensorValue> = {
        lr: { type: 'float64', data: Float64Array.of(lr), dims: [] },
        step: { type: 'int64', data: BigInt64Array.of(BigInt(step)), dims: [] },
      };
      for (const { name, shape, offset, size } of of.tensors) {
        const tensor = (from: Float32Array): TensorValue => ({ type: 'float32', data: from.slice(offset, offset + size), dims: shape });
        feeds[`grad.${name}`] = tensor(gradient);
        for (const [k, prefix] of prefixes.entries()) feeds[prefix + name] = tensor(vectors[k]!);
      }
      const outputs = of.tensors.flatMap(({ name }) => prefixes.map((prefix) => `next.${prefix}${name}`));
      const next = await runModel(model, feeds, { outputs });
      for (const { name, offset } of of.tensors) {
        for (const [k, prefix] of prefixes.entries()) vectors[k]!.set(next[`next.${prefix}${name}`]!.data as Float32Array, offset);
      }
    },
  };
}

const flat = (rows: readonly number[][]): Float32Array => {
  const values = new Float32Array(layout.length);
  for (const [i, row] of rows.entries()) values.set(row, layout.tensors[i]!.offset);
  return values;
};

/** Of the size of the largest number: what was near zero has cancelled. */
function expectClose(found: Float32Array, wanted: Float32Array): void {
  const scale = Math.max(...wanted.map(Math.abs), 1e-6);
  for (const [i, value] of wanted.entries()) expect(Math.abs(found[i]! - value)).toBeLessThanOrEqual(1e-6 * scale);
}

test.each(fixture.roads)('$settings.name: kernel and portable graph walk the road of the reference (%#)', async ({ settings, steps }) => {
  const start = flat(fixture.start);
  const [host, portable] = [openHost(settings, layout, start), openPortable(settings, layout, start)];
  for (const [i, { parameters, buffers }] of steps.entries()) {
    const gradient = flat(fixture.gradients[i]!);
    host.step(gradient, fixture.rates[i]!, i + 1);
    await portable.step(gradient, fixture.rates[i]!, i + 1);
    for (const { state } of [host, portable]) {
      expectClose(state.parameters, flat(parameters));
      expectClose(state.firstMoments, flat(buffers));
    }
    // Scalars and norms are float64 in both, and rounded once.
    expect(portable.state).toEqual(host.state);
  }
});

test('AdamW: kernel and portable graph take the same steps, with a learning rate of its own, with and without decay', async () => {
  const groups = [{ lrScale: 0.65 }, {}, { lrScale: 0.65, decay: false }];
  const of = flatLayout([[37, 11], [53], [8, 3]].map((shape, i) => parameterSpec(`t${i}`, shape, groups[i]))).trainable;
  const start = Float32Array.from({ length: of.length }, (_, i) => 2 * hashed(7, i) - 1);
  const padded = new Float32Array(of.length);
  for (const { offset, size } of of.tensors) padded.set(start.subarray(offset, offset + size), offset);
  const [host, portable] = [openHost(ADAMW_DEFAULTS, of, padded), openPortable(ADAMW_DEFAULTS, of, padded)];
  for (let step = 1; step <= 6; step++) {
    const gradient = new Float32Array(of.length);
    for (const { offset, size } of of.tensors) for (let i = offset; i < offset + size; i++) gradient[i] = 3 * hashed(100 * step, i) - 1.5;
    host.step(gradient, 1e-2 / step, step);
    await portable.step(gradient, 1e-2 / step, step);
    expect(portable.state).toEqual(host.state);
  }
  expect(host.state.parameters).not.toEqual(padded);
});

test('LARS takes plain steps where a norm is zero, and on tensors of one dimension', () => {
  const of = flatLayout([parameterSpec('zero', [2, 2]), parameterSpec('still', [2, 2]), parameterSpec('bias', [2])]).trainable;
  const start = new Float32Array(of.length);
  const [zero, still, bias] = of.tensors.map(({ offset }) => offset) as [number, number, number];
  start.fill(1, still, still + 4);
  start.fill(1, bias, bias + 2);
  const gradient = new Float32Array(of.length);
  gradient.fill(1, zero, zero + 4);
  gradient.fill(1, bias, bias + 2);
  const host = openHost({ name: 'lars', momentum: 0.9, weightDecay: 0.5, trustCoefficient: 0.001 }, of, start);
  host.step(gradient, 0.5, 1);
  const { parameters } = host.state;
  expect([parameters[zero], parameters[still], parameters[bias]]).toEqual([-0.5, 0.75, 0.5]);
});
