import { expect, test } from '@jest/globals';
import { FLAT_ALIGNMENT, flatLayout } from './flatLayout.ts';
import { parameterSpec } from './parameterSpec.ts';

const SPECS = [
  parameterSpec('a.weight', [3, 5]),
  parameterSpec('a.bias', [3]),
  parameterSpec('scale', []),
  parameterSpec('b.weight', [4, 16]),
];

test('tensors lie one after the other in the order of the list, at aligned places', () => {
  const { tensors, length, trainable } = flatLayout(SPECS);
  expect(tensors.map(({ name, offset, size }) => [name, offset, size])).toEqual([
    ['a.weight', 0, 15],
    ['a.bias', 16, 3],
    ['scale', 32, 1],
    ['b.weight', 48, 64],
  ]);
  expect(length).toBe(112);
  expect(trainable).toEqual({ tensors, length });
});

test('tensors that are trained come first, keep their order, and know their place in the list', () => {
  const specs = SPECS.map((spec, i) => ({ ...spec, trainable: i % 2 === 1 }));
  const { tensors, length, trainable } = flatLayout(specs);
  expect(tensors.map(({ name, index, offset }) => [name, index, offset])).toEqual([
    ['a.bias', 1, 0],
    ['b.weight', 3, 16],
    ['a.weight', 0, 80],
    ['scale', 2, 96],
  ]);
  expect([length, trainable.length]).toEqual([112, 80]);
  expect(trainable.tensors).toEqual(tensors.slice(0, 2));
  expect(tensors.every(({ offset }) => offset % FLAT_ALIGNMENT === 0)).toBe(true);
});

test('a parameter is trained at the plain learning rate and decays unless it has one dimension, if its group says nothing else', () => {
  expect(parameterSpec('w', [2, 3])).toEqual({ name: 'w', shape: [2, 3], trainable: true, lrScale: 1, decay: true });
  expect(parameterSpec('b', [2])).toMatchObject({ decay: false });
  expect(parameterSpec('w', [2, 3], { trainable: false, lrScale: 0.5, decay: false })).toMatchObject({
    trainable: false,
    lrScale: 0.5,
    decay: false,
  });
});
