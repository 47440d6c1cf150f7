import { expect, test } from '@jest/globals';
import { requireDecoded } from './requireDecoded.ts';

test('where no image can be decoded, the broken ones are named', () => {
  const skipped = [{ index: 0, name: 'cats/7.jpg', reason: 'it is cut off' }];
  expect(() => requireDecoded({ indices: [], skipped }, 'held-out image')).toThrow(
    'no held-out image can be decoded: cats/7.jpg (it is cut off)',
  );
  expect(() => requireDecoded({ indices: [1], skipped }, 'image')).not.toThrow();
});
