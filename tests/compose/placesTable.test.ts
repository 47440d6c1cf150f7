import { expect, test } from '@jest/globals';
import { placesTable, sharedHash } from './placesTable.ts';

const [A, B] = ['a'.repeat(64), 'b'.repeat(64)];
const place = (where: string, hash: string) => ({ where, workers: 2, hash });

test('hashes stand one below the other', () => {
  expect(placesTable([place('here', A), place('some other place', B)], 40)).toEqual([
    `the demo's job    workers  steps  hash of the weights`,
    `here                    2     40  ${A}`,
    `some other place        2     40  ${B}`,
  ]);
});

test('a hash that differs, and one that is none, are refused', () => {
  expect(sharedHash([place('here', A), place('there', A)])).toBe(A);
  expect(() => sharedHash([place('here', A), place('there', B)])).toThrow('the hashes differ');
  expect(() => sharedHash([place('here', 'none'), place('there', 'none')])).toThrow('the hashes differ');
});
