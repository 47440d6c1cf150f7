import { expect, test } from '@jest/globals';
import { EMPTY_QUEUE, nextDue, request, settle } from './drawQueue.ts';

const wanted = (jobId: string, step: number) => ({ jobId, step, path: `/${jobId}/${step}` });

test('of a job the newest checkpoint alone waits, and none that is older than it', () => {
  let queue = request(EMPTY_QUEUE, wanted('a', 10));
  queue = request(queue, wanted('a', 30));
  queue = request(queue, wanted('a', 20));
  expect([...queue.waiting.values()]).toEqual([wanted('a', 30)]);
});

test('a job is drawn again after its pause; others need not wait for it', () => {
  let queue = settle(request(EMPTY_QUEUE, wanted('a', 10)), wanted('a', 10), 15_000);
  expect(nextDue(queue, 0)).toEqual({});
  queue = request(queue, wanted('a', 20));
  expect(nextDue(queue, 0)).toEqual({ againMs: 15_000 });
  expect(nextDue(request(queue, wanted('b', 1)), 0)).toEqual({ due: wanted('b', 1) });
  expect(nextDue(queue, 15_000)).toEqual({ due: wanted('a', 20) });
});

test('a checkpoint that came while the one before it was drawn still waits', () => {
  const queue = settle(request(request(EMPTY_QUEUE, wanted('a', 10)), wanted('a', 20)), wanted('a', 10), 5);
  expect(nextDue(queue, 5)).toEqual({ due: wanted('a', 20) });
});
