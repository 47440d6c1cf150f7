import { randomStream } from '@maestro/random';

/** Choices that a seed decides: the same seed makes the same requests. */
export interface Dice {
  /** A whole number from 0 to `below` - 1. */
  whole(below: number): number;
  /** True once in `times`. */
  oneIn(times: number): boolean;
  pick<Item>(items: readonly Item[]): Item;
}

/** Opens the choices of a seed. */
export function rollDice(seed: number): Dice {
  const stream = randomStream({ seed, purpose: 'probe' });
  const whole = (below: number): number => stream.uint32() % below;
  return {
    whole,
    oneIn: (times) => whole(times) === 0,
    pick: (items) => items[whole(items.length)]!,
  };
}
