import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { recipeInfos } from '@maestro/protocol';
import { fileOf } from '../support/repository.ts';

interface Room {
  /** As others import it. */
  readonly name: string;
  readonly dir: string;
  readonly manifest: {
    readonly dependencies?: Readonly<Record<string, string>>;
    readonly devDependencies?: Readonly<Record<string, string>>;
  };
  readonly sources: readonly Source[];
}

interface Source {
  readonly path: string;
  readonly text: string;
}

const OURS = '@maestro/';
const isSource = (name: string): boolean => /\.(ts|js)$/.test(name) && !/\.test\.ts$|\.d\.ts$/.test(name);

async function sourcesBelow(dir: string): Promise<Source[]> {
  const entries = await readdir(fileOf(dir), { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile() && isSource(entry.name) && !/\/(dist|node_modules)(\/|$)/.test(entry.parentPath));
  return Promise.all(
    files.map(async ({ parentPath, name }) => ({ path: join(parentPath, name), text: await readFile(join(parentPath, name), 'utf8') })),
  );
}

const rooms: Room[] = [];
for (const parent of ['packages', 'services']) {
  for (const name of await readdir(fileOf(parent))) {
    const dir = `${parent}/${name}`;
    const manifest = JSON.parse(await readFile(fileOf(`${dir}/package.json`), 'utf8'));
    rooms.push({ name: manifest.name, dir, manifest, sources: await sourcesBelow(dir) });
  }
}

/** Which READMEs of other packages name. */
const recipeFiles = new Set(['recipe.ts', 'recipeRegistry.ts']);

const importsOf = ({ text }: Source): string[] =>
  [...text.matchAll(/(?:from|import|import\()\s*'(@maestro\/[a-z]+)[^']*'/g)].map(([, name]) => name!);

test('no place outside packages/recipes knows the name of a recipe, but for the one that is the default of a job file', () => {
  const names = recipeInfos().map(({ id }) => id);
  const named = rooms
    .filter(({ dir }) => dir !== 'packages/recipes')
    .flatMap(({ sources }) => sources)
    .flatMap(({ path, text }) => text.split('\n').map((line, at) => ({ where: `${path}:${at + 1}`, line })))
    .filter(({ line }) => names.some((name) => line.includes(`'${name}'`)) || /\brecipe (===|!==) /.test(line));
  expect(names.length).toBeGreaterThan(1);
  expect(named.map(({ line }) => line.trim())).toEqual(["const DEFAULT_RECIPE = 'mae-pretrain';"]);
});

test('every program of a service that may read a job file knows the recipes', () => {
  // It lays a wire between two network namespaces, and reads nothing.
  const without = /\/network\/wireMain\.ts$/;
  const programs = rooms
    .filter(({ dir }) => dir.startsWith('services/'))
    .flatMap(({ sources }) => sources.filter(({ path }) => /[mM]ain\.ts$/.test(path)));
  expect(programs.length).toBeGreaterThan(5);
  expect(
    programs.filter(({ path, text }) => !without.test(path) && !text.includes("import '@maestro/recipes';")).map(({ path }) => path),
  ).toEqual([]);
});

describe.each(rooms)('$dir', ({ dir, manifest, sources, name }) => {
  test('imports only what its package.json names', () => {
    const declared = Object.keys({ ...manifest.dependencies, ...manifest.devDependencies }).filter((each) => each.startsWith(OURS));
    const imported = new Set(sources.flatMap(importsOf).filter((each) => each !== name));
    expect([...imported].filter((each) => !declared.includes(each))).toEqual([]);
  });

  test('its README names files that are there, and what it depends on', async () => {
    const text = await readFile(fileOf(`${dir}/README.md`), 'utf8');
    const [, list] = /^Depends on: ([^.]*)\./m.exec(text)!;
    const told = [...list!.matchAll(/`([a-z]+)`/g)].map(([, each]) => `${OURS}${each}`);
    const declared = Object.keys(manifest.dependencies ?? {}).filter((each) => each.startsWith(OURS));
    expect(told.sort()).toEqual(declared.sort());
    const files = [...text.matchAll(/`(?:[a-z]+\/)*([A-Za-z0-9]+\.(?:ts|wat))`/g)].map(([, each]) => each!);
    const known = new Set(await readdir(fileOf(dir), { recursive: true }).then((paths) => paths.map((path) => path.split('/').at(-1)!)));
    expect(files.filter((each) => !known.has(each) && !recipeFiles.has(each))).toEqual([]);
  });
});

test('packages depend on each other in one direction, and none on a service', () => {
  const of = new Map(
    rooms.map(({ name, manifest }) => [name, Object.keys(manifest.dependencies ?? {}).filter((each) => each.startsWith(OURS))]),
  );
  const order: string[] = [];
  while (order.length < rooms.length) {
    const next = rooms.find(({ name }) => !order.includes(name) && of.get(name)!.every((each) => order.includes(each)));
    if (next === undefined)
      throw new Error(
        `a cycle among ${rooms
          .map(({ name }) => name)
          .filter((name) => !order.includes(name))
          .join(', ')}`,
      );
    order.push(next.name);
  }
  const services = new Set(rooms.filter(({ dir }) => dir.startsWith('services/')).map(({ name }) => name));
  const upward = rooms.filter(({ dir, name }) => dir.startsWith('packages/') && of.get(name)!.some((each) => services.has(each)));
  expect(upward.map(({ name }) => name)).toEqual([]);
});
