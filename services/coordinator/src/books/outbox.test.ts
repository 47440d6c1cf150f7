import { expect, test } from '@jest/globals';
import { createOutbox } from './outbox.ts';

test('what follows from a decision is told once that is persisted, in order', () => {
  const outbox = createOutbox();
  const told: string[] = [];
  const tell = (what: string): void => outbox.tell(() => told.push(what));
  tell('before');
  const first = outbox.decide();
  tell('after the first');
  const second = outbox.decide();
  tell('after the second');
  expect(told).toEqual(['before']);
  expect(outbox.isWaiting).toBe(true);
  second();
  expect(told).toEqual(['before']);
  first();
  expect(told).toEqual(['before', 'after the first', 'after the second']);
  expect(outbox.isWaiting).toBe(false);
});

test('what an action tells in its turn comes after what was told before', () => {
  const outbox = createOutbox();
  const told: string[] = [];
  const written = outbox.decide();
  outbox.tell(() => {
    told.push('a');
    outbox.tell(() => told.push('from a'));
  });
  outbox.tell(() => told.push('b'));
  written();
  expect(told).toEqual(['a', 'b', 'from a']);
});
