import { expect, test } from '@jest/globals';
import type { RecipeInfo } from './recipe.ts';
import { ownIssues, withOwnDefaults } from './recipeAnswers.ts';
import { recipeFault } from './recipeFault.ts';

const recipe: RecipeInfo = { id: 'toy', module: './toy.mjs', does: 'tests', verb: 'training', dataPlaces: [], series: [], results: [] };
const withDefaults = (defaults: unknown) => () => withOwnDefaults({ ...recipe, defaults } as never, { seed: 1 });
const withIssues = (issues: unknown) => () => ownIssues({ ...recipe, issues } as never, { seed: 1 }, {});
const boom = () => {
  throw new TypeError('boom');
};

test('what a recipe says of a job file is taken, and where it says nothing nothing is changed', () => {
  expect(withDefaults(undefined)()).toEqual({ seed: 1 });
  expect(withDefaults((file: object) => ({ name: 'x', ...file }))()).toEqual({ name: 'x', seed: 1 });
  expect(withIssues(undefined)()).toEqual([]);
  expect(withIssues(() => [{ path: ['seed'], message: 'no' }])()).toEqual([{ path: ['seed'], message: 'no' }]);
});

test('what throws, or returns something else, is an error that names recipe, module and function', () => {
  expect(withDefaults(boom)).toThrow(expect.objectContaining({ code: 'invalid-argument' }));
  expect(withDefaults(boom)).toThrow(/^recipe toy \(\.\/toy\.mjs\): defaults: boom$/);
  for (const [value, found] of [
    [undefined, 'nothing'],
    [Promise.resolve({}), 'a promise'],
    [[], 'a list of 0'],
    ['a', '"a"'],
  ] as const)
    expect(withDefaults(() => value)).toThrow(`defaults: it must return the job file with more keys, found ${found}`);
  expect(withIssues(boom)).toThrow(/^recipe toy \(\.\/toy\.mjs\): issues: boom$/);
  for (const [value, found] of [
    [undefined, 'nothing'],
    [Promise.resolve([]), 'a promise'],
    [['a'], 'a list of 1'],
  ] as const)
    expect(withIssues(() => value)).toThrow(`issues: it must return a list of { path: [keys], message }, found ${found}`);
});

test('a fault is one line, whatever was thrown, with the place in the module where the stack has it', () => {
  const said = (cause: unknown) => recipeFault(recipe, 'plan', cause).message;
  expect(said('text')).toBe('recipe toy (./toy.mjs): plan: text');
  expect(said(undefined)).toBe('recipe toy (./toy.mjs): plan: undefined');
  expect(said(new Error(''))).toBe('recipe toy (./toy.mjs): plan: it threw an error without a message');
  const error = Object.assign(new Error('a\nb'), {
    stack: 'Error: a\n    at draw (file:///x/kit.js:3:9)\n    at plan (file:///y/toy.mjs:54:17)',
  });
  expect(said(error)).toBe('recipe toy (./toy.mjs): plan: a (toy.mjs:54:17)');
  expect(recipeFault({ id: 'toy' }, 'plan', error).message).toBe('recipe toy: plan: a');
});
