import { expect, test } from '@jest/globals';
import { fromServiceError, MaestroError, toServiceError } from '../index.ts';

test('an error keeps its code over gRPC, and its text is one that a header can carry', () => {
  const sent = toServiceError(new MaestroError('conflict', `x\ud800${'é'.repeat(5000)}`));
  // What grpc-js does with it; a lone surrogate throws here.
  expect(() => encodeURI(sent.details!)).not.toThrow();
  expect(sent.details!.length).toBeLessThanOrEqual(2000);
  expect(fromServiceError(sent, 'call')).toMatchObject({ code: 'conflict' });
});
