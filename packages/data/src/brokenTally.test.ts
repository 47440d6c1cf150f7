import { expect, test } from '@jest/globals';
import { createBrokenTally } from './brokenTally.ts';

const broken = (...indices: number[]) => indices.map((index) => ({ index, name: `${index}.jpg`, reason: 'cut off' }));

test('up to 1 % of a large set is borne, early ones included, and one more is not', () => {
  const tally = createBrokenTally(100_000);
  tally.record({ epoch: 0, first: 0, count: 10 }, broken(0, 1, 2, 3, 4, 5, 6, 7, 8, 9));
  expect(() => tally.record({ epoch: 0, first: 10, count: 1 }, broken(10))).toThrow(
    '11 of 11 samples seen cannot be decoded, more than 1 %; remove or mend them: 0.jpg (cut off), 1.jpg (cut off),',
  );
});

test('what is borne grows with the distinct samples seen', () => {
  const tally = createBrokenTally(5000);
  tally.record({ epoch: 0, first: 0, count: 4000 }, broken(...Array.from({ length: 40 }, (_, index) => index)));
  expect(() => tally.record({ epoch: 0, first: 4000, count: 1 }, broken(40))).toThrow('41 of 4001');
});

test('the same broken sample in every epoch counts once, and samples seen again do not excuse more', () => {
  const tally = createBrokenTally(200);
  for (let epoch = 0; epoch < 50; epoch++) tally.record({ epoch, first: 0, count: 200 }, broken(3, 4));
  expect(tally.broken).toBe(2);
  expect(() => tally.record({ epoch: 50, first: 0, count: 200 }, broken(5))).toThrow('3 of 200 samples seen');
});

test('a single broken sample never ends a run, however small the set', () => {
  const tally = createBrokenTally(5);
  tally.record({ epoch: 0, first: 0, count: 5 }, broken(2));
  expect(tally.broken).toBe(1);
});
