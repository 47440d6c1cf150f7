import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type BatchOrder, createBatchRing } from './batchRing.ts';

const at = (first: number) => ({ epoch: 0, first, count: 1 });
const filled = { count: 1, skipped: [], digest: 7, content: 0, readings: new Float64Array() };

test('batches are made in the order wanted, as many as there are slots', () => {
  const ring = createBatchRing(2);
  ring.want([at(3), at(1), at(2)]);
  expect([ring.next(), ring.next(), ring.next()].map((order) => order?.positions.first)).toEqual([3, 1, undefined]);
});

test('what a caller waits for is made first, in the slot of the ready batch that is wanted last', () => {
  const ring = createBatchRing(2);
  ring.want([at(0), at(1), at(2)]);
  for (let i = 0; i < 2; i++) ring.fill(ring.next()!.slot, filled);
  ring.claim(at(9));
  expect(ring.next()).toMatchObject({ positions: at(9), slot: 0 });
  expect(ring.claim(at(0)).state).toBe('filled');
  expect(ring.claim(at(1)).state).toBe('waiting');
});

test('a batch that is no longer wanted while it is filled gives its slot back when that is done', () => {
  const ring = createBatchRing(1);
  ring.want([at(0)]);
  const { slot } = ring.next()!;
  ring.want([at(1)]);
  expect(ring.next()).toBeUndefined();
  expect(ring.fill(slot, filled)).toBeUndefined();
  expect(ring.next()).toMatchObject({ positions: at(1), slot });
});

test('two callers may claim the same positions and get a batch each', () => {
  const ring = createBatchRing(2);
  const [a, b] = [ring.claim(at(0)), ring.claim(at(0))];
  expect(a).not.toBe(b);
  expect([ring.next(), ring.next()]).toEqual([a, b]);
});

test('whatever callers and threads do, no slot is used twice or lost', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 4 }),
      fc.array(fc.tuple(fc.constantFrom('want', 'claim', 'next', 'fill', 'take', 'release', 'cancel'), fc.nat({ max: 8 })), {
        maxLength: 120,
      }),
      (slotCount, actions) => {
        const ring = createBatchRing(slotCount);
        const filling: BatchOrder[] = [];
        const claimed: BatchOrder[] = [];
        const held: BatchOrder[] = [];
        for (const [action, n] of actions) {
          const pick = (from: BatchOrder[]) => (from.length === 0 ? undefined : from.splice(n % from.length, 1)[0]!);
          if (action === 'want') ring.want([at(n), at(n + 1), at(n + 2)]);
          if (action === 'claim') claimed.push(ring.claim(at(n)));
          if (action === 'next') {
            const order = ring.next();
            if (order !== undefined) filling.push(order);
          }
          if (action === 'fill') {
            const order = pick(filling);
            if (order !== undefined) ring.fill(order.slot, filled);
          }
          if (action === 'take') {
            const order = claimed.find(({ state }) => state === 'filled');
            if (order !== undefined) {
              ring.take(order);
              held.push(order);
              claimed.splice(claimed.indexOf(order), 1);
            }
          }
          if (action === 'release') {
            const order = pick(held);
            if (order !== undefined) ring.release(order.slot);
          }
          if (action === 'cancel') {
            const order = pick(claimed);
            if (order !== undefined) ring.cancel(order);
          }
          const used = [...filling, ...held].map(({ slot }) => slot);
          expect(new Set(used).size).toBe(used.length);
          expect(ring.isHeld).toBe(held.length === slotCount);
        }
        for (const order of held) ring.release(order.slot);
        for (const order of filling) ring.fill(order.slot, filled);
        for (const order of claimed) ring.cancel(order);
        ring.want(Array.from({ length: slotCount + 1 }, (_, i) => at(100 + i)));
        expect(Array.from({ length: slotCount + 1 }, () => ring.next()).filter(Boolean)).toHaveLength(slotCount);
      },
    ),
  );
});
