import { expect, test } from '@jest/globals';
import { concreteShape, differentiated, gradientError, type OpCase, runCase } from '../testing/opCase.ts';
import { opCases } from '../testing/opCases.ts';
import { VJPS } from '../vjps/table.ts';
import { SHAPES } from './table.ts';

/** In float64 rounding is all that separates a right rule from its check; in float32 a central difference is good to about 1e-3. */
const TOLERANCE = {
  float64: { value: 1e-12, gradient: 1e-8 },
  float32: { value: 2e-6, gradient: 5e-3 },
} as const;

const rows = Object.entries(opCases).flatMap(([op, cases]) =>
  Object.entries(cases).map(([variant, opCase]): [string, OpCase] => [`${op}: ${variant}`, opCase]),
);

test.each(rows)('%s has the inferred shape and the right values', async (_, opCase) => {
  const { inferred, computed } = await runCase(opCase);
  expect(inferred.dims).toEqual(opCase.dims);
  expect(computed.shape).toEqual(concreteShape(opCase.dims));
  expect(computed.dtype).toBe(inferred.dtype);
  expect(computed.values).toHaveLength(opCase.values.length);
  const { value } = TOLERANCE[opCase.precision ?? 'float64'];
  const scale = Math.max(1, ...opCase.values.map(Math.abs));
  const errors = computed.values.map((found, at) => Math.abs(found - opCase.values[at]!) / scale);
  expect(Math.max(...errors)).toBeLessThan(value);
});

test.each(rows.filter(([, opCase]) => differentiated(opCase).length > 0))(
  '%s has the gradient of central differences',
  async (_, opCase) => {
    expect(await gradientError(opCase)).toBeLessThan(TOLERANCE[opCase.precision ?? 'float64'].gradient);
  },
);

test('every op of the table is tested, and every op with a vjp is differentiated', () => {
  // What a sequence is good for shows where a model is loaded: see encodeModel.test.ts.
  expect([...Object.keys(opCases), 'SequenceConstruct'].sort()).toEqual(Object.keys(SHAPES).sort());
  expect(Object.keys(VJPS).filter((op) => !Object.hasOwn(SHAPES, op))).toEqual([]);
  const hasGradientCase = (op: string) => Object.values(opCases[op]!).some((opCase) => differentiated(opCase).length > 0);
  expect(Object.keys(VJPS).filter((op) => !hasGradientCase(op))).toEqual([]);
});
