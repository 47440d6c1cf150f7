/** Unit of what a key compares, as the table shows it. */
export type Unit = 'seconds' | 'bytes' | 'share';

/** What a key is to reach: our time or memory over the peer's best, at most. */
export interface Goal {
  readonly goal: number;
  readonly unit: Unit;
}

const over = <Value>(values: readonly Value[], make: (value: Value) => Readonly<Record<string, Goal>>): Record<string, Goal> =>
  Object.assign({}, ...values.map(make));
const step = (precision: string, tiny: number, vitB: number): Record<string, Goal> =>
  over(['1t', '2t'], (threads) => ({
    [`step.${precision}.tiny.${threads}`]: { goal: tiny, unit: 'seconds' },
    [`step.${precision}.vitB.${threads}`]: { goal: vitB, unit: 'seconds' },
  }));
const allReduce = (processes: number, goal: number): Record<string, Goal> =>
  over([4, 40, 440], (megabytes) => ({ [`allreduce.${processes}.${megabytes}MB`]: { goal, unit: 'seconds' } }));

/** All keys of the comparison with peers, in the order of the table. */
export const GOALS: Readonly<Record<string, Goal>> = {
  ...step('fp32', 0.9, 1),
  ...step('x3', 0.65, 0.7),
  ...step('bf16', 0.4, 0.5),
  ...allReduce(2, 1),
  ...allReduce(3, 1.2),
  'loader.jpeg': { goal: 0.9, unit: 'seconds' },
  'memory.vitB.b4': { goal: 1.1, unit: 'bytes' },
  'memory.vitB.b16': { goal: 1.1, unit: 'bytes' },
  'exposedCommunication.vitB.2w': { goal: 0.05, unit: 'share' },
};

/**
 * Returns the keys that `only` asks for: names or beginnings of names with commas between, such as `step.fp32,memory`; all without it.
 * @throws RangeError naming a part that fits no key.
 */
export function chosenKeys(only: string | undefined): string[] {
  const keys = Object.keys(GOALS);
  if (only === undefined) return keys;
  const parts = only.split(',').map((part) => part.trim());
  const fits = (key: string, part: string): boolean => key === part || key.startsWith(`${part}.`);
  const unknown = parts.filter((part) => !keys.some((key) => fits(key, part)));
  if (unknown.length > 0) throw new RangeError(`--only ${unknown.join(', ')}: no such key; there are ${keys.join(', ')}`);
  return keys.filter((key) => parts.some((part) => fits(key, part)));
}
