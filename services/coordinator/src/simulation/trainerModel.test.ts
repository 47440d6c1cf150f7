import { expect, test } from '@jest/globals';
import { createClock } from './clock.ts';
import { createTrainerModel } from './trainerModel.ts';

test('who waits for an idle trainer comes after all that is under way, and one that puts it to work makes the next wait', () => {
  const clock = createClock(0);
  const trainer = createTrainerModel((ms, action) => clock.after(ms, action));
  const told: string[] = [];
  const tell = (what: string) => () => void told.push(`${clock.nowMs} ${what}`);
  trainer.onceIdle(tell('idle'));
  trainer.run(10, tell('first'));
  trainer.run(30, tell('second'));
  trainer.onceIdle(() => {
    tell('idle again')();
    trainer.run(5, tell('third'));
  });
  trainer.onceIdle(tell('last'));
  clock.run(1000, () => false);
  expect(told).toEqual(['0 idle', '10 first', '30 second', '30 idle again', '35 third', '35 last']);
});
