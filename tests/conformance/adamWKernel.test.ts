import { expect, test } from '@jest/globals';
import { runModel, type TensorValue } from '@maestro/engine';
import { adamWScalars, openArena } from '@maestro/kernels';
import { ADAMW_DEFAULTS, buildOptimizerModel, type ParameterSpec } from '@maestro/mae';
import { hashed } from '../support/formula.ts';

const SPECS: readonly ParameterSpec[] = [
  { name: 'decayed', shape: [37, 11], decay: true },
  { name: 'plain', shape: [53], decay: false },
];
const STEPS = 6;
/** Two orders of the same float32 operations. */
const TOLERANCE = 1e-6;

test('the AdamW kernel agrees with the optimizer model on ONNX Runtime, step after step, with and without decay', async () => {
  const model = buildOptimizerModel(SPECS);
  for (const [stream, { name, shape, decay }] of SPECS.entries()) {
    const size = shape.reduce((product, dim) => product * dim, 1);
    const { ranges, kernels } = openArena({ ranges: { p: size, g: size, m: size, v: size } });
    for (let i = 0; i < size; i++) ranges.p[i] = 2 * hashed(stream, i) - 1;
    let state = Object.fromEntries(SPECS.flatMap((spec) => initialState(spec)));
    state[name] = float32(ranges.p.slice(), shape);

    for (let step = 1; step <= STEPS; step++) {
      const lr = 1e-2 / step;
      for (let i = 0; i < size; i++) ranges.g[i] = 3 * hashed(100 * step + stream, i) - 1.5;
      const feeds = {
        ...state,
        ...Object.fromEntries(SPECS.map((spec) => [`grad.${spec.name}`, zeros(spec.shape)])),
        [`grad.${name}`]: float32(ranges.g.slice(), shape),
        lr: { type: 'float64', data: Float64Array.of(lr), dims: [] },
        step: { type: 'int64', data: BigInt64Array.of(BigInt(step)), dims: [] },
      } as const;
      const outputs = SPECS.flatMap((spec) => stateNames(spec).map((each) => `next.${each}`));
      const next = await runModel(model, feeds, { outputs });
      state = Object.fromEntries(Object.entries(next).map(([key, value]) => [key.slice('next.'.length), value]));

      const {
        gradScale,
        decay: decayFactor,
        beta1Rest,
        beta2,
        beta2Rest,
        correction,
        epsilon,
        negativeStepSize,
      } = adamWScalars({
        ...ADAMW_DEFAULTS,
        weightDecay: decay ? ADAMW_DEFAULTS.weightDecay : 0,
        lr,
        step,
      });
      const [p, g, m, v] = [ranges.p, ranges.g, ranges.m, ranges.v].map(({ byteOffset }) => byteOffset) as [number, number, number, number];
      kernels.adamW(p, g, m, v, size, gradScale, decayFactor, beta1Rest, beta2, beta2Rest, correction, epsilon, negativeStepSize);

      expect(largestDifference(ranges.p, state[name]!)).toBeLessThan(TOLERANCE);
      expect(largestDifference(ranges.m, state[`exp_avg.${name}`]!)).toBeLessThan(TOLERANCE);
      expect(largestDifference(ranges.v, state[`exp_avg_sq.${name}`]!)).toBeLessThan(TOLERANCE);
    }
    // What was compared has moved: a learning rate of 1e-2 and falling, over six steps.
    expect(Math.max(...ranges.p.map((value, i) => Math.abs(value - (2 * hashed(stream, i) - 1))))).toBeGreaterThan(1e-2);
  }
});

const stateNames = ({ name }: ParameterSpec): string[] => [name, `exp_avg.${name}`, `exp_avg_sq.${name}`];

const initialState = (spec: ParameterSpec): [string, TensorValue][] => stateNames(spec).map((name) => [name, zeros(spec.shape)]);

const float32 = (data: Float32Array, dims: readonly number[]): TensorValue => ({ type: 'float32', data, dims });

const zeros = (shape: readonly number[]): TensorValue => float32(new Float32Array(shape.reduce((product, dim) => product * dim, 1)), shape);

function largestDifference(found: Float32Array, { data }: TensorValue): number {
  return Math.max(...found.map((value, i) => Math.abs(value - Number(data[i]))));
}
