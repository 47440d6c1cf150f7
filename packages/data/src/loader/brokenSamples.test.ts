import { expect, test } from '@jest/globals';
import { mostBroken, tooManyBroken } from './brokenSamples.ts';

test('one sample in a hundred may be broken, and one in any set, however small', () => {
  expect([1, 5, 199, 200, 299, 100_000].map(mostBroken)).toEqual([1, 1, 1, 2, 2, 1000]);
});

test('the error counts all and names the first few', () => {
  const named = Array.from({ length: 7 }, (_, i) => ({ name: `${i}.jpg`, reason: 'cut off' }));
  const { code, message } = tooManyBroken({ broken: 11, samples: 1000, named });
  expect(code).toBe('data-invalid');
  expect(message).toBe(
    'data set: 11 of 1000 samples cannot be decoded, more than 1 %; remove or mend them: 0.jpg (cut off), 1.jpg (cut off), 2.jpg ' +
      '(cut off), 3.jpg (cut off), 4.jpg (cut off), ...',
  );
  expect(tooManyBroken({ broken: 1, samples: 2, named: named.slice(0, 1) }).message).toMatch(/: 0\.jpg \(cut off\)$/);
});
