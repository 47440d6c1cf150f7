import { expect, test } from '@jest/globals';
import { Graph, mul, reduceSum, sequenceConstruct } from '@maestro/graph';
import type { RecipeInfo } from '@maestro/protocol';
import { trainingSeries } from '../trainingSeries.ts';
import { checkedPlan } from './checkedPlan.ts';
import type { LossInputs } from './trainingGraph.ts';
import { trainingGraph } from './trainingGraph.ts';

const recipe: RecipeInfo = {
  id: 'toy',
  module: './toy.mjs',
  does: 'tests',
  verb: 'training',
  dataPlaces: [],
  series: [...trainingSeries(), { name: 'psnr', label: 'PSNR', unit: 'number' }],
  results: [],
};

const parameters = [{ name: 'scale', shape: [3] }];
const inputs = [{ name: 'images', dtype: 'float32', shape: [3] }] as const;
const lossOf = ({ parameter, input, gradScale }: LossInputs) => reduceSum(mul(mul(input('images'), parameter('scale')), gradScale));
const training = (loss: Parameters<typeof trainingGraph>[0]['loss']) => () => trainingGraph({ parameters, inputs, loss });

const whole = {
  parameters,
  inputs,
  image: { imageSize: 1, channels: 3 },
  fillSample: () => undefined,
  buildTraining: training((given) => ({ loss: lossOf(given), metrics: { psnr: lossOf(given) } })),
  lossScale: (planned: number) => 1 / planned,
  drawParameter: (_parameter: unknown, _stream: unknown, out: Float32Array) => void out.fill(0.5),
  model: {},
};

const planOf = (changes: object) => checkedPlan(recipe, { ...whole, ...changes } as never);
const circular: Record<string, unknown> = {};
circular['self'] = circular;

test('a plan that is as it should be keeps its parts', () => {
  const plan = planOf({});
  expect(plan).toMatchObject({ parameters, inputs, image: whole.image, model: {} });
  expect(plan.buildTraining()).toBeInstanceOf(Graph);
  expect(plan.lossScale(4)).toBe(0.25);
  const out = new Float32Array(2);
  plan.drawParameter({} as never, {} as never, out);
  expect([...out]).toEqual([0.5, 0.5]);
});

test.each([
  ['nothing', undefined, 'what it returns: expected object, found nothing'],
  ['a promise in a promise', Promise.resolve(whole), /parameters: expected a list of parameters, found nothing/],
  ['an unknown key', { ...whole, parameter: [] }, 'parameter: unknown key'],
  ['no parameters', { ...whole, parameters: [] }, 'parameters: expected at least one parameter, found a list of 0'],
  [
    'nothing to train',
    { ...whole, parameters: [{ ...parameters[0], trainable: false }] },
    'parameters: expected at least one that is trainable',
  ],
  ['a parameter twice', { ...whole, parameters: [...parameters, ...parameters] }, 'parameters.scale.name: the name is there twice'],
  ['a name for two things', { ...whole, inputs: [{ ...inputs[0], name: 'scale' }] }, 'inputs.scale.name: the name is there twice'],
  ['a name that is taken', { ...whole, inputs: [{ ...inputs[0], name: 'grad_scale' }] }, 'inputs.grad_scale.name: the name is taken'],
  [
    'a dtype that is none',
    { ...whole, inputs: [{ ...inputs[0], dtype: 'float16' }] },
    'inputs.images.dtype: expected one of float32, int32, int64, uint8, found "float16"',
  ],
  ...[0, -1, 1.5, Number.NaN, '3'].map((extent): [string, object, string] => [
    `an extent of ${extent}`,
    { ...whole, parameters: [{ name: 'scale', shape: [extent] }] },
    `parameters.scale.shape.0: expected a whole number of at least 1, found ${JSON.stringify(extent) === 'null' ? 'NaN' : JSON.stringify(extent)}`,
  ]),
  [
    'more elements than can be',
    { ...whole, parameters: [{ name: 'scale', shape: [65536, 65536] }] },
    /parameters\.scale\.shape: expected at most 2147483647 elements/,
  ],
  [
    'a learning rate that is none',
    { ...whole, parameters: [{ ...parameters[0], lrScale: Number.NaN }] },
    'parameters.scale.lrScale: expected a number of at least 0, found NaN',
  ],
  ['no lossScale', { ...whole, lossScale: 2 }, 'lossScale: expected a function, found 2'],
  ['two channels', { ...whole, image: { imageSize: 4, channels: 2 } }, 'image.channels: expected 1 or 3, found 2'],
  ['a circular model', { ...whole, model: circular }, /model: expected plain values for artifacts\.json: Converting circular structure/],
])('a plan with %s is refused in one line that names recipe, module, function and place', (_what, made, said) => {
  let message = '';
  try {
    checkedPlan(recipe, made as never);
  } catch (error) {
    expect(error).toMatchObject({ code: 'invalid-argument' });
    ({ message } = error as Error);
  }
  const prefix = 'recipe toy (./toy.mjs): plan: ';
  expect(message.startsWith(prefix)).toBe(true);
  const rest = message.slice(prefix.length);
  if (typeof said === 'string') expect(rest).toBe(said);
  else expect(rest).toMatch(said);
  expect(message).not.toContain('\n');
});

test('what its functions throw, or return of a wrong kind, names recipe, module and function', () => {
  const named = (call: () => unknown) => expect(call);
  const boom = () => {
    throw new RangeError('boom\nand more');
  };
  named(() => planOf({ lossScale: boom }).lossScale(8)).toThrow(/^recipe toy \(\.\/toy\.mjs\): lossScale of 8 samples: boom$/);
  for (const [scale, found] of [
    [Number.NaN, 'NaN'],
    [-1, '-1'],
    [undefined, 'nothing'],
    [Promise.resolve(1), 'a promise'],
    ['1', '"1"'],
  ] as const)
    named(() => planOf({ lossScale: () => scale }).lossScale(8)).toThrow(
      `recipe toy (./toy.mjs): lossScale of 8 samples: expected a finite number of at least 0, found ${found}`,
    );
  const draw = (drawParameter: unknown) =>
    planOf({ drawParameter }).drawParameter({ name: 'scale' } as never, {} as never, new Float32Array(4));
  named(() => draw(boom)).toThrow(/^recipe toy \(\.\/toy\.mjs\): drawParameter of scale: boom$/);
  named(() => draw(async () => undefined)).toThrow('drawParameter of scale: it must fill in `out` before it returns, found a promise');
  named(() => draw((_p: unknown, _s: unknown, out: Float32Array) => void out.fill(Number.NaN, 2))).toThrow(
    'drawParameter of scale: it must fill in finite numbers, found NaN at 2',
  );
  named(() => planOf({ buildEvaluation: boom }).buildEvaluation!()).toThrow('recipe toy (./toy.mjs): buildEvaluation: boom');
});

test('a training graph that lacks a part is refused by the name of what is missing', () => {
  const refused = (buildTraining: unknown, said: string | RegExp) => expect(() => planOf({ buildTraining }).buildTraining()).toThrow(said);
  const prefix = 'recipe toy (./toy.mjs): buildTraining: ';
  refused(async () => undefined, `${prefix}it must return a Graph, found a promise`);
  refused(training(lossOf), `${prefix}the graph has no output metric.psnr, float32[]`);
  refused(
    training((given) => ({ loss: lossOf(given), metrics: { psnr: given.input('images') } })),
    `${prefix}output metric.psnr must be float32[], found float32[N,3]`,
  );
  refused(
    training((given) => reduceSum(mul(given.input('images'), given.gradScale))),
    /buildTraining: grad: 'scale' does not affect the loss .*; remove it, or use it in the forward pass/,
  );
  const bare = new Graph('bare');
  const loss = mul(bare.input('scale', 'float32', [4]), 1);
  bare.output('status', sequenceConstruct([loss]));
  refused(() => bare, `${prefix}the graph has parameter scale as float32[4], the plan as float32[3]`);
  refused(() => new Graph('empty'), `${prefix}the graph has no input for parameter scale`);
});
