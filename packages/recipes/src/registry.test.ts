import { expect, test } from '@jest/globals';
import { type JobSpec, parseJobSpec, recipeInfos } from '@maestro/protocol';
import type { z } from 'zod';
import { recipeOfModule } from './modules/recipeModule.ts';
import { addRecipes, type RecipeEntry, recipeIdentity } from './registry.ts';

const data = { format: 'idx', path: '/images' };
const boom = (message: string): never => {
  throw new RangeError(message);
};
const toy = {
  id: 'toy',
  version: '1.0.0',
  does: 'tests',
  section: {
    key: 'toy',
    schema: ({ z: zod }: { z: typeof z }) =>
      zod.strictObject({
        size: zod
          .number()
          .max(5)
          .refine((size) => size !== 4 || boom('four')),
      }),
  },
  defaults: (file: { name?: string }) => (file.name === 'boom' ? boom('named so') : { toy: { size: 3 }, ...file }),
  issues: (job: JobSpec) =>
    job.seed === 13 ? [{ path: ['seed'], message: 'expected no 13' }] : job.seed === 14 ? boom('fourteen') : job.seed === 15 ? 'none' : [],
  series: [{ name: 'psnr', label: 'PSNR', better: 'higher' }],
  plan: () => ({}),
};

test('a recipe of a module has its section, defaults and refusals in job files, its name in messages, and an identity', () => {
  addRecipes([recipeOfModule(toy, { module: './toy.mjs', sha256: 'ab' })]);
  expect(recipeInfos().at(-1)).toMatchObject({ id: 'toy', series: [{}, {}, {}, { name: 'psnr', unit: 'number', better: 'higher' }] });
  const spec = parseJobSpec({ recipe: 'toy', data, schedule: { steps: 1 } });
  expect(spec).toMatchObject({ toy: { size: 3 } });
  expect(recipeIdentity(spec)).toEqual({ recipe: 'toy 1.0.0', recipeModule: 'ab' });
  expect(recipeIdentity({ recipe: 'mae-pretrain' })).toEqual({});
  const refused = (file: object) => expect(() => parseJobSpec({ recipe: 'toy', data, schedule: { steps: 1 }, ...file }));
  refused({ toy: { size: 9 } }).toThrow('toy.size: ');
  refused({ seed: 13 }).toThrow('seed: expected no 13');
  refused({ recipe: 'knn', toy: { size: 1 } }).toThrow('toy: only with recipe toy');
});

test('what a recipe throws while a job file is read is an error that names recipe, module and function', () => {
  const error = (file: object) => expect(() => parseJobSpec({ recipe: 'toy', data, schedule: { steps: 1 }, ...file }));
  for (const file of [{ name: 'boom' }, { seed: 14 }, { toy: { size: 4 } }])
    error(file).toThrow(expect.objectContaining({ code: 'invalid-argument' }));
  error({ name: 'boom' }).toThrow(/^recipe toy \(\.\/toy\.mjs\): defaults: named so$/);
  error({ seed: 14 }).toThrow(/^recipe toy \(\.\/toy\.mjs\): issues: fourteen$/);
  error({ seed: 15 }).toThrow('recipe toy (./toy.mjs): issues: it must return a list of { path: [keys], message }, found "none"');
  error({ toy: { size: 4 } }).toThrow(/^recipe toy \(\.\/toy\.mjs\): a check of its section: four$/);
});

test('a name that is taken is refused, and so is a job of a recipe that is not loaded, with those that are and how to load it', () => {
  const of = (changes: object, module = './other.mjs') => recipeOfModule({ ...toy, ...changes }, { module, sha256: 'ab' });
  const refused = (entry: RecipeEntry, message: string) => expect(() => addRecipes([entry])).toThrow(message);
  refused(of({ id: 'knn', section: undefined }), 'recipe knn: the name is taken by a recipe of maestro; give it another id');
  refused(of({}), 'recipe toy: the name is taken by module ./toy.mjs; give it another id');
  refused(of({}, './toy.mjs'), 'recipe toy: the module is named twice; name it once');
  refused(
    of({ id: 'toy-2', section: { ...toy.section, key: 'knn' } }),
    'recipe toy-2: the section knn of a job file is that of recipe knn, a recipe of maestro; choose another section.key',
  );
  expect(() => parseJobSpec({ recipe: 'denoise', data, schedule: { steps: 1 } })).toThrow(
    /recipe: expected one of "mae-pretrain"\|"knn".*, found "denoise"; modules of other recipes are loaded by MAESTRO_RECIPES, in every process/,
  );
});
