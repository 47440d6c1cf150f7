import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { accuracy, knnClassify, openKnnClassifier, toUnitRows } from './knn.ts';

const row = (values: Float32Array, index: number, dim: number) => [...values.subarray(index * dim, (index + 1) * dim)];

/** The definition, written plainly. */
function plainKnn(train: Float32Array, labels: number[], test: Float32Array, dim: number, k: number): number[] {
  const unit = (values: number[]) => {
    const norm = Math.hypot(...values) || 1;
    return values.map((value) => value / norm);
  };
  return Array.from({ length: test.length / dim }, (_, t) => {
    const query = unit(row(test, t, dim));
    const ranked = labels
      .map((label, i) => ({ label, i, similarity: unit(row(train, i, dim)).reduce((sum, value, d) => sum + value * query[d]!, 0) }))
      .sort((a, b) => b.similarity - a.similarity || a.i - b.i)
      .slice(0, k);
    const votes = new Map<number, number>();
    for (const { label, similarity } of ranked) votes.set(label, (votes.get(label) ?? 0) + Math.exp(similarity / 0.07));
    return [...votes].sort((a, b) => b[1] - a[1])[0]![0];
  });
}

test('neighbours vote by similarity, as the plain definition has it', () => {
  const vectors = (count: number, dim: number) =>
    fc.array(fc.float({ min: -1, max: 1, noNaN: true }), { minLength: count * dim, maxLength: count * dim });
  fc.assert(
    fc.property(
      fc
        .record({
          train: vectors(13, 6),
          test: vectors(5, 6),
          labels: fc.array(fc.nat({ max: 2 }), { minLength: 13, maxLength: 13 }),
          k: fc.integer({ min: 1, max: 20 }),
        })
        .filter(
          // Near-ties are decided by rounding, which the definition does not fix: spread the vectors out.
          ({ train }) => new Set(train).size > 70,
        ),
      ({ train, test: queries, labels, k }) => {
        const features = Float32Array.from(train);
        const found = knnClassify({ train: { features, labels }, test: Float32Array.from(queries), dim: 6, k });
        expect([...found]).toEqual(plainKnn(features, labels, Float32Array.from(queries), 6, k));
      },
    ),
    { numRuns: 30, seed: 1 },
  );
});

test('equal similarities prefer the earlier training sample', () => {
  const features = Float32Array.of(1, 0, 2, 0, 3, 0);
  expect([...knnClassify({ train: { features, labels: [2, 1, 0] }, test: Float32Array.of(1, 0), dim: 2, k: 1 })]).toEqual([2]);
  expect(accuracy([1, 2, 3, 4], [1, 2, 0, 4])).toBe(0.75);
});

test('test samples in parts are classified as all at once', () => {
  const wave = (count: number, phase: number) => Float32Array.from({ length: count * 5 }, (_, i) => Math.sin(i * 1.7 + phase));
  const options = { train: { features: wave(31, 0), labels: Array.from({ length: 31 }, (_, i) => i % 3) }, dim: 5, k: 7 };
  const asked = wave(22, 2);
  const classify = openKnnClassifier(options);
  const inParts = [0, 5, 6, 13].flatMap((first, i, all) => [...classify(asked.subarray(first * 5, (all[i + 1] ?? 22) * 5))]);
  expect(inParts).toEqual([...knnClassify({ ...options, test: asked })]);
  expect(new Set(inParts).size).toBe(3);
});

test('rows that have length 1 already are read where they lie, to the same classes', () => {
  const wave = (count: number, phase: number) => Float32Array.from({ length: count * 5 }, (_, i) => Math.sin(i * 1.7 + phase));
  const labels = Array.from({ length: 31 }, (_, i) => i % 3);
  const [known, asked] = [wave(31, 0), wave(22, 2)];
  const expected = knnClassify({ train: { features: known, labels }, test: asked, dim: 5, k: 7 });
  expect(known).toEqual(wave(31, 0));
  toUnitRows(known, 5);
  toUnitRows(asked, 5);
  expect(knnClassify({ train: { features: known, labels }, test: asked, dim: 5, k: 7, areUnit: true })).toEqual(expected);
});

test('rows without a class are no neighbours', () => {
  const features = Float32Array.of(1, 0, 0.9, 0.1, 0, 1);
  const classes = (labels: number[]) => [...knnClassify({ train: { features, labels }, test: Float32Array.of(1, 0), dim: 2, k: 1 })];
  expect([classes([0, 1, 2]), classes([-1, 1, 2]), classes([-1, -1, 2])]).toEqual([[0], [1], [2]]);
});

test('tables that do not fit are refused', () => {
  expect(() => knnClassify({ train: { features: new Float32Array(5), labels: [0] }, test: new Float32Array(2), dim: 2 })).toThrow(
    'expected rows of 2 features',
  );
});

test('no temperature is too small or too large for the votes', () => {
  // The nearest are 0.99995 and 0.995 alike, both of class 1; three of class 0 are farther away.
  const train = { features: Float32Array.of(1, 0.01, 1, 0.1, 0, 1, 0.1, 1, -0.1, 1), labels: [1, 1, 0, 0, 0] };
  const classify = (temperature: number) => [...knnClassify({ train, test: Float32Array.of(1, 0), dim: 2, k: 5, temperature })];
  expect([1e-3, 1e-5, 1e-300, 5e-324].map(classify)).toEqual([[1], [1], [1], [1]]);
  expect([1e6, 1e300].map(classify)).toEqual([[0], [0]]);
});

test('features that are no finite numbers are refused with their row', () => {
  const known = { features: Float32Array.of(1, 0, 0, 1), labels: [0, 1] };
  const classify = (value: number) => knnClassify({ train: known, test: Float32Array.of(1, 0, value, 1), dim: 2 });
  for (const value of [Number.NaN, Infinity]) expect(() => classify(value)).toThrow('the features of row 1 are not finite');
});

test('a set may have more classes than a call takes arguments', () => {
  const labels = Array.from({ length: 300_000 }, (_, i) => i);
  const features = Float32Array.from({ length: 300_000 }, (_, i) => (i === 299_999 ? 1 : -1));
  expect([...knnClassify({ train: { features, labels }, test: Float32Array.of(2), dim: 1, k: 1 })]).toEqual([299_999]);
});
