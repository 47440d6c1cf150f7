import { expect, test } from '@jest/globals';
import { nearest } from './nearest.ts';

test.each([
  ['dya', ['night', 'day'], 'day'],
  ['epoch', ['steps', 'epochs'], 'epochs'],
  ['imagse', ['images'], 'images'],
  ['Tride', ['tried'], 'tried'],
  ['k2', ['k1'], 'k1'],
  ['job', ['swB', 'swA'], undefined],
  ['', ['k1'], undefined],
  ['x', ['y'], undefined],
  ['night', [], undefined],
])('%s among %j may have been meant to be %s', (word, candidates, meant) => {
  expect(nearest(word, candidates)).toBe(meant);
});
