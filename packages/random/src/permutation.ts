import { philox } from './philox.ts';
import { PURPOSES } from './stream.ts';

const FEISTEL_ROUNDS = 8;

/** A bijection of 0..length-1, computed point by point and never stored. */
export type Permutation = (position: number) => number;

/**
 * Returns the shuffled order of one epoch: a balanced Feistel network over the next even power of two with Philox as round function,
 * iterated until the result is inside 0..length-1 (cycle walking; Black & Rogaway, "Ciphers with arbitrary finite domains", 2002). Constant
 * memory, and less than four iterations per call on average.
 *
 * @throws RangeError when `length` is not an integer in 1..2^32, or a position is outside 0..length-1.
 */
export function permutation({
  seed,
  epoch,
  length,
}: {
  readonly seed: number;
  readonly epoch: number;
  readonly length: number;
}): Permutation {
  if (!Number.isInteger(length) || length < 1 || length > 2 ** 32) {
    throw new RangeError(`permutation: length must be an integer in 1..2^32, found ${length}`);
  }
  const bits = Math.max(2, Math.ceil(Math.log2(length)));
  const halfBits = Math.ceil(bits / 2);
  const half = 2 ** halfBits;
  const mask = half - 1;
  const key = Uint32Array.of(seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0);
  const counter = Uint32Array.of(0, 0, epoch >>> 0, PURPOSES.permutation);
  const words = new Uint32Array(4);

  const encrypt = (value: number): number => {
    let left = Math.floor(value / half);
    let right = value & mask;
    for (let round = 0; round < FEISTEL_ROUNDS; round++) {
      counter[0] = right;
      counter[1] = round;
      philox(counter, key, words);
      const next = (left ^ words[0]!) & mask;
      left = right;
      right = next;
    }
    return left * half + right;
  };

  return (position) => {
    if (!Number.isInteger(position) || position < 0 || position >= length) {
      throw new RangeError(`permutation: position must be an integer in 0..${length - 1}, found ${position}`);
    }
    let value = encrypt(position);
    while (value >= length) value = encrypt(value);
    return value;
  };
}
