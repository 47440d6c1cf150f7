// npm run package [-- --out DIR]
//
// Writes maestro-VERSION.tgz: one npm package with the bin `maestro`, made of what the build emitted. Workspaces keep their places below
// lib/, so that files find each other as in the repository; imports of `@maestro/...` become relative, and what npm has to fetch are the
// libraries alone.
import { execFile } from 'node:child_process';
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { commitHere } from '../../services/cli/dist/terminal/readVersion.js';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const run = promisify(execFile);
const OURS = '@maestro/';

const { values } = parseArgs({ options: { out: { type: 'string', default: root } } });
const out = resolve(values.out);
const manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
const staging = await mkdtemp(join(tmpdir(), 'maestro-package-'));
try {
  const workspaces = await readWorkspaces();
  for (const { dir } of workspaces) await copyBuilt(dir, workspaces);
  for (const path of ['proto', 'deploy/setup', 'services/coordinator/dashboard', 'packages/native/c'])
    await cp(join(root, path), join(staging, 'lib', path), { recursive: true, filter: isShipped });
  for (const name of ['LICENSE', 'NOTICE', 'CHANGELOG.md', 'deploy/package/README.md'])
    await cp(join(root, name), join(staging, name.split('/').at(-1)));
  await cp(join(root, 'deploy/package/maestro.mjs'), join(staging, 'bin/maestro.mjs'));
  await chmod(join(staging, 'bin/maestro.mjs'), 0o755);
  await writeFile(join(staging, 'lib/version.json'), `${JSON.stringify({ version: manifest.version, commit: commitHere() })}\n`);
  await writeFile(join(staging, 'package.json'), `${JSON.stringify(await manifestOf(workspaces), null, 2)}\n`);
  await mkdir(out, { recursive: true });
  const { stdout } = await run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', out], {
    cwd: staging,
    maxBuffer: 1 << 26,
  });
  const [{ filename, size, entryCount }] = JSON.parse(stdout);
  process.stdout.write(`${join(out, filename)}: ${entryCount} files, ${(size / 1e6).toFixed(1)} MB\n`);
} finally {
  await rm(staging, { recursive: true, force: true });
}

/** All that ships, by the name that others import it by. */
async function readWorkspaces() {
  const dirs = [];
  for (const parent of ['packages', 'services']) for (const name of await readdir(join(root, parent))) dirs.push(`${parent}/${name}`);
  return Promise.all(dirs.map(async (dir) => ({ dir, manifest: JSON.parse(await readFile(join(root, dir, 'package.json'), 'utf8')) })));
}

/** Copies what the compiler emitted for a workspace, without tests and types, and with relative imports. */
async function copyBuilt(dir, workspaces) {
  const dist = join(root, dir, 'dist');
  for (const entry of await readdir(dist, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (!entry.isFile() || !entry.name.endsWith('.js') || /\.test\.js$|\/testing\//.test(path)) continue;
    const target = join(staging, 'lib', dir, 'dist', relative(dist, path));
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, withRelativeImports(await readFile(path, 'utf8'), target, workspaces));
  }
}

function withRelativeImports(text, path, workspaces) {
  return text
    .replace(/^\/\/# sourceMappingURL=.*\n?/m, '')
    .replace(/(\bfrom |\bimport |\bimport\()(['"])(@maestro\/[^'"]+)\2/g, (_, keyword, quote, name) => {
      const [own, part] = [name.split('/').slice(0, 2).join('/'), name.split('/').slice(2).join('/')];
      const workspace = workspaces.find(({ manifest }) => manifest.name === own);
      const entry = workspace?.manifest.exports[part === '' ? '.' : `./${part}`];
      if (entry === undefined) throw new Error(`${path} imports ${name}, which no workspace exports`);
      const target = join(staging, 'lib', workspace.dir, entry.default);
      const way = relative(dirname(path), target);
      return `${keyword}${quote}${way.startsWith('.') ? way : `./${way}`}${quote}`;
    });
}

/** What of the copied folders is for the compiler alone, and ends with the clone. */
function isShipped(path) {
  return (
    !/\/(dist|types|node_modules|c\/test)(\/|$)|tsconfig\.json$|\/s3\.mjs$/.test(relative(root, path)) ||
    /dashboard\/types\/[a-z]+$/.test(path)
  );
}

/** The manifest of the package: ours, with the libraries of all workspaces at the versions that the repository is tested with. */
async function manifestOf(workspaces) {
  const libraries = new Map();
  for (const { manifest: own } of workspaces) {
    for (const [name, version] of Object.entries(own.dependencies ?? {})) {
      if (name.startsWith(OURS)) continue;
      if ((libraries.get(name) ?? version) !== version)
        throw new Error(`${own.name} wants ${name} ${version}, another one ${libraries.get(name)}`);
      libraries.set(name, version);
    }
  }
  const { name, version, description, type, engines, license } = manifest;
  const dependencies = Object.fromEntries([...libraries].sort(([a], [b]) => a.localeCompare(b)));
  return {
    name,
    version,
    description,
    license,
    type,
    engines,
    bin: { maestro: 'bin/maestro.mjs' },
    files: ['bin', 'lib', 'NOTICE', 'CHANGELOG.md'],
    dependencies,
  };
}
