import { expect, test } from '@jest/globals';
import { copyFloats, openSegments, type SegmentedFloats } from '@maestro/kernels';
import { applyOuterStep, subtractFloats } from './outerStep.ts';

const LENGTH = 96;

/** Vectors cut into segments of `floats`. */
function openVectors(floats: number) {
  const segments = Array.from({ length: LENGTH / floats }, (_, k) => ({ start: k * floats, length: floats }));
  return openSegments({ plan: { length: LENGTH, segments }, vectors: ['parameters', 'momentum', 'deltas', 'replica'] }).vectors;
}

const flat = (vector: SegmentedFloats): number[] => {
  const values = new Float32Array(vector.length);
  copyFloats(values, vector);
  return [...values];
};

const series = (scale: number): Float32Array => Float32Array.from({ length: LENGTH }, (_, i) => scale * Math.sin(3 * i + scale));

/** SGD with Nesterov momentum as torch.optim.SGD(lr, momentum, nesterov=True) has it, in float64. */
function reference(rounds: number, { lr, momentum, replicas }: { lr: number; momentum: number; replicas: number }): number[] {
  const p = [...series(1)];
  const buffer = p.map(() => 0);
  for (let round = 0; round < rounds; round++) {
    const deltas = series(0.1 * (round + 1));
    p.forEach((_, i) => {
      const g = deltas[i]! / replicas;
      buffer[i] = momentum * buffer[i]! + g;
      p[i]! -= lr * (g + momentum * buffer[i]!);
    });
  }
  return p;
}

test.each([
  { lr: 0.7, momentum: 0.9, replicas: 4 },
  { lr: 1, momentum: 0, replicas: 3 },
])('outer steps are SGD with Nesterov momentum on the mean delta ($lr, $momentum, $replicas)', (options) => {
  const expected = reference(5, options);
  const found = [96, 32].map((floats) => {
    const { parameters, momentum, deltas } = openVectors(floats);
    copyFloats(parameters, series(1));
    for (let round = 0; round < 5; round++) {
      copyFloats(deltas, series(0.1 * (round + 1)));
      applyOuterStep({ parameters, momentum, deltas }, options);
    }
    return flat(parameters);
  });
  expect(found[1]).toEqual(found[0]);
  for (const [i, value] of expected.entries()) expect(Math.abs(found[0]![i]! - value)).toBeLessThan(1e-6);
});

test('two outer steps on a delta of one move a parameter by 0.7 * 1.9 and 0.7 * 2.71', () => {
  const { parameters, momentum, deltas } = openVectors(96);
  copyFloats(deltas, new Float32Array(LENGTH).fill(2));
  const options = { lr: 0.7, momentum: 0.9, replicas: 2 };
  applyOuterStep({ parameters, momentum, deltas }, options);
  expect(flat(parameters)[5]).toBeCloseTo(-1.33, 6);
  applyOuterStep({ parameters, momentum, deltas }, options);
  expect(flat(parameters)[5]).toBeCloseTo(-1.33 - 1.897, 6);
  expect(flat(momentum)[5]).toBeCloseTo(1.9, 6);
});

test('with learning rate 1, no momentum and one replica the outer parameters become the replica', () => {
  const { parameters, momentum, deltas, replica } = openVectors(32);
  copyFloats(parameters, new Float32Array(LENGTH).fill(2));
  copyFloats(replica, new Float32Array(LENGTH).fill(1.5));
  subtractFloats(deltas, parameters, replica);
  applyOuterStep({ parameters, momentum, deltas }, { lr: 1, momentum: 0, replicas: 1 });
  expect(flat(parameters)).toEqual(flat(replica));
});
