/** Draws that a seed decides. */
export interface Dice {
  /** A real number in [low, high). */
  between(low: number, high: number): number;
  /** A whole number in low..high. */
  whole(low: number, high: number): number;
  chance(probability: number): boolean;
  pick<Item>(items: readonly Item[]): Item;
}

/** Draws by mulberry32: small, and good enough to choose what goes wrong when. */
export function createDice(seed: number): Dice {
  let state = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) | 0;
  const unit = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const between = (low: number, high: number): number => low + (high - low) * unit();
  const whole = (low: number, high: number): number => Math.floor(between(low, high + 1));
  return { between, whole, chance: (probability) => unit() < probability, pick: (items) => items[whole(0, items.length - 1)]! };
}
