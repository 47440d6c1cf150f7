import { kindOf } from '@maestro/protocol';
import { z } from 'zod';

/** Elements of a tensor at most: what a 32-bit index can name. */
const MOST_ELEMENTS = 2 ** 31 - 1;
const DTYPES = ['float32', 'int32', 'int64', 'uint8'] as const;

/** Inputs of a training graph that are neither parameters nor the recipe's. */
const TAKEN = 'grad_scale';

const name = z.string('expected a name').min(1, 'expected a name');
const extent = z.int('expected a whole number of at least 1').min(1, 'expected a whole number of at least 1');
const shape = z
  .array(extent, 'expected a list of whole numbers')
  .refine((extents) => extents.reduce((product, each) => product * each, 1) <= MOST_ELEMENTS, `expected at most ${MOST_ELEMENTS} elements`);
const trueOrFalse = z.boolean('expected true or false').optional();
const callable = z.custom<unknown>((value) => typeof value === 'function', 'expected a function');

const parameter = z.strictObject({
  name,
  shape,
  trainable: trueOrFalse,
  lrScale: z.number('expected a number of at least 0').min(0, 'expected a number of at least 0').optional(),
  decay: trueOrFalse,
});

const input = z.strictObject({ name, dtype: z.enum(DTYPES, `expected one of ${DTYPES.join(', ')}`), shape });

/** The form of a plan, checked once where a recipe's `plan` has returned it; what the functions return is checked where they are called. */
export const planSchema = z
  .strictObject({
    parameters: z.array(parameter, 'expected a list of parameters').min(1, 'expected at least one parameter'),
    image: z.strictObject({
      imageSize: extent,
      channels: z.union([z.literal(1), z.literal(3)], 'expected 1 or 3'),
    }),
    inputs: z.array(input, 'expected a list of inputs').min(1, 'expected at least one input'),
    fillSample: callable,
    buildTraining: callable,
    buildEvaluation: callable.optional(),
    lossScale: callable,
    drawParameter: callable,
    model: z.unknown(),
  })
  .superRefine(({ parameters, inputs, model }, { addIssue }) => {
    const refuse = (path: (string | number)[], message: string): void => addIssue({ code: 'custom', path, message });
    const seen = new Set([TAKEN]);
    for (const [key, entries] of Object.entries({ parameters, inputs })) {
      for (const [at, entry] of entries.entries()) {
        if (seen.has(entry.name)) refuse([key, at, 'name'], entry.name === TAKEN ? 'the name is taken' : 'the name is there twice');
        seen.add(entry.name);
      }
    }
    if (parameters.length > 0 && parameters.every(({ trainable }) => trainable === false))
      refuse(['parameters'], 'expected at least one that is trainable');
    const problem = whyNotJson(model);
    if (problem !== undefined) refuse(['model'], `expected plain values for artifacts.json: ${problem}`);
  });

function whyNotJson(value: unknown): string | undefined {
  try {
    JSON.stringify(value);
    return undefined;
  } catch (error) {
    return (error as Error).message.split('\n')[0];
  }
}

/** Describes what is wrong with a plan: each place, by the name of a parameter or an input, what was expected, and what was found. */
export function describePlan(error: z.ZodError, plan: unknown): string {
  return error.issues
    .flatMap((issue) => {
      if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => `${placeIn(plan, [...issue.path, key])}: unknown key`);
      const isTold = issue.code === 'custom' && !issue.message.startsWith('expected a function');
      const found = isTold ? '' : `, found ${kindOf(issue.path.reduce(valueIn, plan))}`;
      return [`${placeIn(plan, issue.path)}: ${issue.message.replace(/^Invalid input: /, '').replace(/, received .*/, '')}${found}`];
    })
    .join('; ');
}

const valueIn = (value: unknown, key: PropertyKey): unknown => (value as Record<PropertyKey, unknown> | null | undefined)?.[key];

/** Formats `parameters.head.weight.shape.0`. */
function placeIn(plan: unknown, path: readonly PropertyKey[]): string {
  if (path.length === 0) return 'what it returns';
  const named = path[0] === 'parameters' || path[0] === 'inputs' ? valueIn(valueIn(valueIn(plan, path[0]), path[1]!), 'name') : undefined;
  return path.map((key, at) => (at === 1 && typeof named === 'string' && named !== '' ? named : String(key))).join('.');
}
