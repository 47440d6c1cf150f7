// npm run bundle:gpu -- --out DIR [--provider FILE.tgz | --no-provider]
//
// Writes a folder that checks a GPU on an x86-64 Linux machine without network, Node or npm: Node, the app, ONNX Runtime and its CUDA
// provider as pieces of a tar archive, and gpu-check.sh, which unpacks them when it first runs.
import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, copyFile, cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const run = promisify(execFile);

/** The CUDA 13 provider of the very version of ONNX Runtime that the lock file has, and what npm says of its archive. */
const PROVIDER = 'com.github.asus4.onnxruntime.linux-x64-gpu@0.4.9';
const PROVIDER_INTEGRITY = 'sha512-FopIhNE/Ng+v2X65wVc9clPCBCvhvA53Hxo2U0Kf5fGdVsC7iCA+mZ0KLWggcQAj7TIZ6pNidR4AC10g74Xo6w==';
const PROVIDER_FILES = ['libonnxruntime_providers_cuda.so', 'libonnxruntime_providers_shared.so'];
/** Below 55 MB, so that a piece fits what carries it. */
const PIECE_BYTES = 50_000_000;
/** What of the tests the check needs beside its own folder and what that imports. */
const TEST_FILES = ['tests/conformance/reference.py'];

const { values } = parseArgs({ options: { out: { type: 'string' }, provider: { type: 'string' }, 'no-provider': { type: 'boolean' } } });
if (values.out === undefined) fail('name the folder to write: --out DIR');
if (`${process.platform}/${process.arch}` !== 'linux/x64')
  fail(`it holds this machine's Node, which must be linux/x64, not ${process.platform}/${process.arch}`);

const out = resolve(values.out);
const staging = await mkdtemp(join(tmpdir(), 'maestro-bundle-'));
try {
  await stage(staging);
  await rm(out, { recursive: true, force: true });
  await mkdir(join(out, 'pieces'), { recursive: true });
  await pack(staging, join(out, 'pieces'));
  await copyFile(join(root, 'deploy/bundle/gpu-check.sh'), join(out, 'gpu-check.sh'));
  await chmod(join(out, 'gpu-check.sh'), 0o755);
  const pieces = (await readdir(join(out, 'pieces'))).sort();
  const sums = await Promise.all(
    pieces.map(async (name) => `${hash('sha256', await readFile(join(out, 'pieces', name)), 'hex')}  pieces/${name}`),
  );
  await writeFile(join(out, 'SHA256SUMS'), `${sums.join('\n')}\n`);
  process.stdout.write(`bundle: ${pieces.length} pieces in ${out}; copy the folder, and run gpu-check.sh there\n`);
} finally {
  await rm(staging, { recursive: true, force: true });
}

async function stage(dir) {
  const app = join(dir, 'app');
  await mkdir(join(dir, 'bin'), { recursive: true });
  await copyFile(process.execPath, join(dir, 'bin/node'));
  const own = await readdir(join(root, 'tests/dist/gpu'));
  const modulesOfTests = new Set();
  for (const name of own.filter((each) => /(?<!\.test)\.js$/.test(each))) await relativeImports(`tests/dist/gpu/${name}`, modulesOfTests);
  const workspaces = await workspacesOf(modulesOfTests);
  const copied = ['package.json', 'proto', 'tests/package.json', 'tests/dist/gpu', 'tests/gpu', ...modulesOfTests, ...TEST_FILES];
  for (const name of workspaces) copied.push(`packages/${name}/package.json`, `packages/${name}/dist`);
  const { stdout } = await run(
    'npm',
    ['ls', '--omit=dev', '--all', '--parseable', ...workspaces.flatMap((name) => ['-w', `@maestro/${name}`])],
    {
      cwd: root,
      maxBuffer: 1 << 24,
    },
  );
  const modules = stdout
    .split('\n')
    .map((path) => relative(root, path))
    .filter((path) => path.startsWith('node_modules/'));
  const isShipped = (path) =>
    !/\.(test\.js|map|ts)$|\.tsbuildinfo$|\/bin\/napi-v6\/(?!linux(\/x64|$))/.test(path) || path.endsWith('wasm.ts');
  for (const path of new Set([...copied, ...modules])) {
    await cp(join(root, path), join(app, path), {
      recursive: true,
      verbatimSymlinks: true,
      filter: (from) => isShipped(from.slice(root.length)),
    });
  }
  if (values['no-provider'] !== true) await addProvider(join(app, 'node_modules/onnxruntime-node/bin/napi-v6/linux/x64'));
}

/** A module and all that it imports by a relative path, and so on. */
async function relativeImports(name, found = new Set()) {
  if (found.has(name)) return found;
  found.add(name);
  const source = await readFile(join(root, name), 'utf8');
  for (const [, path] of source.matchAll(/(?:\bfrom |\bimport |\bimport\()'(\.[^']+)'/g))
    await relativeImports(join(dirname(name), path), found);
  return found;
}

/** The workspaces of this repository that modules import, and those that these depend on. */
async function workspacesOf(modules) {
  const found = new Set();
  const add = async (name) => {
    if (found.has(name)) return;
    found.add(name);
    const { dependencies = {} } = JSON.parse(await readFile(join(root, 'packages', name, 'package.json'), 'utf8'));
    for (const each of Object.keys(dependencies)) if (each.startsWith('@maestro/')) await add(each.slice('@maestro/'.length));
  };
  for (const module of modules) {
    const source = await readFile(join(root, module), 'utf8');
    for (const [, name] of source.matchAll(/'@maestro\/([a-z]+)/g)) await add(name);
  }
  return [...found];
}

async function addProvider(folder) {
  const dir = await mkdtemp(join(tmpdir(), 'maestro-provider-'));
  try {
    let archive = values.provider;
    if (archive === undefined) {
      process.stderr.write(`bundle: fetching ${PROVIDER} with npm\n`);
      const { stdout } = await run('npm', ['pack', PROVIDER, '--silent', '--pack-destination', dir], { cwd: dir });
      archive = join(dir, stdout.trim().split('\n').at(-1));
    }
    const integrity = `sha512-${hash('sha512', await readFile(archive), 'base64')}`;
    if (integrity !== PROVIDER_INTEGRITY) fail(`${archive} is not ${PROVIDER}: its integrity is ${integrity}`);
    const names = PROVIDER_FILES.map((name) => `package/Plugins/Linux/x64/${name}`);
    await run('tar', ['-xzf', archive, '-C', folder, '--strip-components=4', ...names]);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** One archive in pieces of {@link PIECE_BYTES}. */
async function pack(dir, pieces) {
  const script = `set -o pipefail; tar -C "$0" -cf - bin app | gzip -5 | split -b ${PIECE_BYTES} -d -a 2 - "$1/maestro-gpu.tar.gz."`;
  const child = spawn('bash', ['-c', script, dir, pieces], { stdio: ['ignore', 'inherit', 'inherit'] });
  const code = await new Promise((done) => child.on('close', done));
  if (code !== 0) fail('tar, gzip or split failed');
}

function hash(algorithm, bytes, encoding) {
  return createHash(algorithm).update(bytes).digest(encoding);
}

function fail(message) {
  process.stderr.write(`bundle: ${message}\n`);
  process.exit(1);
}
