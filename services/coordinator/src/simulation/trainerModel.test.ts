import { expect, test } from '@jest/globals';
import { createClock } from './clock.ts';
import { createTrainerModel } from './trainerModel.ts';

test('the trainer works for one after the other, in the order of asking', () => {
  const clock = createClock(0);
  const trainer = createTrainerModel();
  const told: string[] = [];
  const work = (name: string, ms: number, then = (): void => undefined) =>
    trainer.take((done) => {
      told.push(`${clock.nowMs} ${name} begins`);
      then();
      clock.after(ms, () => {
        told.push(`${clock.nowMs} ${name} ends`);
        done();
      });
    });
  work('first', 10, () => work('third', 5));
  work('second', 30);
  clock.run(1000, () => false);
  work('last', 1);
  clock.run(1000, () => false);
  expect(told).toEqual([
    '0 first begins',
    '10 first ends',
    '10 third begins',
    '15 third ends',
    '15 second begins',
    '45 second ends',
    '45 last begins',
    '46 last ends',
  ]);
});
