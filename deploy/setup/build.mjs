import { existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { execute, fail, lastLines, root as repository, say } from './environment.mjs';
import { digest, readText, writeStamp } from './stamp.mjs';

const stampOf = (root) => join(root, 'node_modules/.maestro-build');

/** The projects that tsconfig.json refers to, with where their sources and outputs are. */
function projects(root) {
  return JSON.parse(readText(join(root, 'tsconfig.json'))).references.map(({ path }) => {
    const folder = join(root, path);
    const { rootDir, outDir } = JSON.parse(readText(join(folder, 'tsconfig.json'))).compilerOptions;
    return { folder, source: join(folder, rootDir), output: join(folder, outDir) };
  });
}

/** Files below a folder with their folders, except outputs and dependencies; none when it is not there. */
function filesBelow(folder, skipped = ['dist', 'node_modules']) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (!entry.isDirectory()) return [path];
    return skipped.includes(entry.name) ? [] : filesBelow(path, skipped);
  });
}

/** All that decides what the compiler emits, by path, size and time: cheap, and a `touch` costs no more than an idle compiler run. */
function wanted(root) {
  const sources = projects(root).flatMap(({ folder }) =>
    filesBelow(folder).filter((path) => /\.[cm]?[jt]sx?$|tsconfig\.json$|package\.json$/.test(path)),
  );
  const files = [join(root, 'tsconfig.json'), join(root, 'node_modules/typescript/package.json'), ...sources.sort()];
  return digest(
    files.map((path) => {
      const { size, mtimeMs } = statSync(path);
      return `${relative(root, path)} ${size} ${mtimeMs}`;
    }),
  );
}

/** Whether the outputs are those of the sources as they are. */
export function isBuilt(root = repository) {
  return projects(root).every(({ output }) => existsSync(join(output, '.tsbuildinfo'))) && readText(stampOf(root)) === wanted(root);
}

/** Compiles what has changed and removes outputs whose source is gone: a stale test would go on passing. */
export async function build(root = repository) {
  say('building');
  const before = wanted(root); // A source that is saved during the build is built next time.
  const result = await execute(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-b'], { cwd: root });
  if (!result.ok) fail(`the build failed:\n${lastLines(result.output, 60)}`);
  for (const path of staleOutputs(root)) rmSync(path);
  writeStamp(stampOf(root), before);
}

/** Emitted files without a source. Only what the compiler emits is looked at. */
function staleOutputs(root = repository) {
  return projects(root).flatMap(({ source, output }) =>
    filesBelow(output, []).filter((path) => {
      const [, stem, kind] = /^(.*?)(?:\.d)?\.([cm]?)(?:ts|js)(?:\.map)?$/.exec(relative(output, path)) ?? [];
      if (stem === undefined) return false;
      return ![`.${kind}ts`, '.tsx', `.${kind}js`].some((suffix) => existsSync(join(source, stem + suffix)));
    }),
  );
}
