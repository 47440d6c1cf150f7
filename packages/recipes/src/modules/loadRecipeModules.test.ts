import { cp, mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { RecipeEntry } from '../registry.ts';
import { hashModule } from './hashModule.ts';
import { loadRecipeModules } from './loadRecipeModules.ts';

let dir: string;
beforeAll(async () => {
  dir = await realpath(await mkdtemp(join(tmpdir(), 'maestro-recipes-')));
});
afterAll(() => rm(dir, { recursive: true }));

const RECIPE = `{ id: 'toy', version: '2.1.0', does: 'tests', plan: () => ({}) }`;

async function write(name: string, text: string): Promise<string> {
  const path = join(dir, name);
  await mkdir(join(path, '..'), { recursive: true });
  await writeFile(path, text);
  return path;
}

async function load(text: string): Promise<RecipeEntry[]> {
  const loaded: RecipeEntry[] = [];
  await loadRecipeModules(text, (entry) => void loaded.push(entry), dir);
  return loaded;
}

test('a recipe is loaded from a path, a relative path and a package, with name, version and hash as its identity', async () => {
  await write('a/toy.mjs', `export default ${RECIPE};`);
  await write('node_modules/toy-recipe/package.json', '{ "name": "toy-recipe", "main": "main.mjs" }');
  await write('node_modules/toy-recipe/main.mjs', `export default ${RECIPE};`);
  const [path, relative, ofPackage] = await load(` ${dir}/a/toy.mjs, ./a/toy.mjs,toy-recipe,`);
  expect(path).toMatchObject({
    info: { id: 'toy', verb: 'training', does: 'tests', series: [{ name: 'loss' }, { name: 'learningRate' }, { name: 'gradNorm' }] },
    identity: { recipe: 'toy 2.1.0', recipeModule: await hashModule(`${dir}/a/toy.mjs`) },
  });
  expect(relative!.identity).toEqual(path!.identity);
  expect(ofPackage!.identity!['recipe']).toBe('toy 2.1.0');
});

test('the hash of a module is the same wherever its folder lies, and covers what it imports by relative paths', async () => {
  const main = await write(
    'one/main.mjs',
    `import { a } from './parts/a.mjs';\nconst b = await import("./b.mjs");\nexport { a as default };`,
  );
  await write('one/parts/a.mjs', `export * from '../b.mjs'; export const a = 1; import './a.mjs';`);
  await write('one/b.mjs', 'export const b = 1;');
  await cp(join(dir, 'one'), join(dir, 'elsewhere/two'), { recursive: true });
  const before = await hashModule(main);
  expect(before).toMatch(/^[0-9a-f]{64}$/);
  expect(await hashModule(join(dir, 'elsewhere/two/main.mjs'))).toBe(before);
  await write('one/b.mjs', 'export const b = 2;');
  expect(await hashModule(main)).not.toBe(before);
});

test.each([
  ['is not there', undefined, /there is no file \/.*is-not-there\.mjs/],
  ['is no JavaScript', 'export default {\n  id: ,\n};', /: \/.*is-no-JavaScript\.mjs:2: SyntaxError: Unexpected token ','$/],
  ['throws', 'throw new RangeError("not today");', /not today/],
  ['imports what is not there', `import 'no-such-package'; export default ${RECIPE};`, /no-such-package/],
  ['exports nothing', 'export const a = 1;', /its default export \(it has none\) is no recipe/],
  ['lacks parts', `export default { id: 'My Recipe', does: 'x' };`, /id: expected small letters.*version: .*plan: expected a function/],
  ['has unknown parts', `export default { ...${RECIPE}, colour: 1 };`, /colour/],
  [
    'has a section that is taken',
    `export default { ...${RECIPE}, section: { key: 'model', schema: () => 1 } };`,
    /the section model is that of every job file/,
  ],
  [
    'has a section named as a part of every object',
    `export default { ...${RECIPE}, section: { key: 'constructor', schema: () => 1 } };`,
    /section\.key: every object has something of that name/,
  ],
  [
    'has a series named as a part of every object',
    `export default { ...${RECIPE}, series: [{ name: 'valueOf', label: 'x' }] };`,
    /series valueOf: every object has something of that name/,
  ],
  [
    'has a series that is taken',
    `export default { ...${RECIPE}, series: [{ name: 'loss', label: 'x' }] };`,
    /recipe toy: series loss: every recipe has it \(loss, learningRate, gradNorm are told anyway\); leave it out, or choose another name$/,
  ],
  [
    'has two series of a name',
    `export default { ...${RECIPE}, series: [{ name: 'psnr', label: 'x' }, { name: 'psnr', label: 'y' }] };`,
    /recipe toy: series psnr: there are two of this name; rename one$/,
  ],
  [
    'has a section whose schema throws',
    `export default { ...${RECIPE}, section: { key: 'toy', schema: ({ z }) => z.strictObjects({}) } };`,
    /recipe toy: section\.schema: z\.strictObjects is not a function$/,
  ],
  [
    'has a section without a schema',
    `export default { ...${RECIPE}, section: { key: 'toy', schema: () => ({ sigma: 1 }) } };`,
    /recipe toy: section\.schema returns no schema of the z that is passed to it; write schema: \(\{ z \}\) => z\.strictObject/,
  ],
])('a module that %s is refused by its name and the reason, in one line', async (what, text, reason) => {
  const path = join(dir, `${what.replaceAll(' ', '-')}.mjs`);
  if (text !== undefined) await writeFile(path, text);
  const error = await load(path).catch((each: unknown) => each);
  expect(error).toMatchObject({ code: 'invalid-argument' });
  const { message } = error as Error;
  expect(message).toContain(`MAESTRO_RECIPES: ${path} cannot be loaded: `);
  expect(message).toMatch(reason);
  expect(message).not.toContain('\n');
});

test('what is no module is refused with what to write instead', async () => {
  const refused = async (name: string, message: string) =>
    expect(load(name)).rejects.toThrow(`MAESTRO_RECIPES: ${name} cannot be loaded: ${message}`);
  await refused(
    'no-such-recipe',
    `no package of this name is installed in ${dir} or beside maestro; the path of a file begins with / or ./`,
  );
  await write('plain.mjs', `export default ${RECIPE};`);
  await refused('plain.mjs', 'write ./plain.mjs: without ./ it is the name of a package');
  await mkdir(join(dir, 'folder'));
  await refused('./folder', 'it is a folder; name the file of the module in it, such as folder/recipe.mjs');
});
