import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build, isBuilt } from './build.mjs';
import { hasDependencies, installDependencies } from './dependencies.mjs';
import { fail, root, SetupError } from './environment.mjs';
import { withLock } from './lock.mjs';
import { buildNative, hasNative } from './native.mjs';
import { findRedis, installRedis } from './redis.mjs';
import { findS3Server, installS3Server, isS3ServerOutOfReach } from './s3.mjs';

/**
 * Makes the clone ready, then does what the arguments ask for.
 *
 * @param {string[]} args of `node deploy/setup.mjs`
 */
export async function main(args) {
  const [mode, ...rest] = args;
  try {
    if (mode !== undefined && !['--build', '--run', '--test'].includes(mode))
      fail(`unknown option ${mode}: there are --build, --run FILE and --test`);
    await prepare({ needsRedis: mode !== '--build', mayUseRemoteRedis: mode !== '--test', mayUseS3: mode === '--test' && namesS3(rest) });
    if (mode === '--run') await run(rest);
    if (mode === '--test') await test(rest);
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    process.stderr.write(`setup: ${error.message}\n`);
    process.exitCode = 1;
  }
}

/**
 * The steps in order. Each first looks whether it has anything to do, which takes milliseconds; only then is the lock taken, and looked
 * again, since another set-up may have done it meanwhile. Tests start servers of their own, so they want the program even with REDIS_URL.
 */
async function prepare({ needsRedis, mayUseRemoteRedis, mayUseS3 }) {
  const steps = [
    { isDone: hasDependencies, work: installDependencies },
    { isDone: isBuilt, work: build },
    { isDone: hasNative, work: buildNative },
  ];
  if (needsRedis && !(mayUseRemoteRedis && process.env.REDIS_URL))
    steps.push({ isDone: () => findRedis() !== undefined, work: installRedis });
  if (mayUseS3) steps.push({ isDone: () => findS3Server() !== undefined || isS3ServerOutOfReach(), work: installS3Server });
  for (const { isDone, work } of steps) {
    if (!isDone()) await withLock(async () => isDone() || (await work()));
  }
  const redis = findRedis();
  if (redis !== undefined) process.env.MAESTRO_REDIS_SERVER = redis;
  const s3 = findS3Server();
  if (s3 !== undefined) process.env.MAESTRO_S3_SERVER = s3;
}

/** Whether the tests that are asked for may want an S3 server: slow ones do, and those that are named, whose files are named for it. */
function namesS3(patterns) {
  const names = patterns.filter((pattern) => !pattern.startsWith('-'));
  if (names.length === 0) return /slow/.test(process.env.MAESTRO_TESTS ?? '');
  return names.some((name) => /s3|storage|packed|tests\/integration\/?$/i.test(name));
}

/**
 * npm runs scripts in the clone. Paths of `npm run maestro -- ...` are of the folder in which it was typed; without a data folder it still
 * has that of the clone, so that one cluster is found from everywhere.
 */
function enterTypedFolder() {
  const { INIT_CWD: folder, npm_lifecycle_event: script, MAESTRO_DATA_DIR: dataDir } = process.env;
  if (script !== 'maestro' || !folder || resolve(folder) === root || !existsSync(folder)) return;
  if (!dataDir) process.env.MAESTRO_DATA_DIR = resolve(root, '.maestro');
  process.chdir(folder);
}

/**
 * Runs a program of ours in this process, as if `node FILE ARG..` had been typed: its signals, exit code and standard streams are then its
 * own.
 */
export async function run([file, ...args]) {
  if (file === undefined) fail('--run needs a file');
  const path = resolve(root, file);
  if (!existsSync(path)) fail(`there is no ${file} after the build`);
  enterTypedFolder();
  process.argv = [process.execPath, path, ...args];
  await import(pathToFileURL(path).href);
}

/** Runs jest; the reporter in tests/jest prints the count as the last line of standard output. */
async function test(args) {
  // Jest runs ES modules through Node's vm modules, which are behind a flag and warn that they are.
  const flags = ['--experimental-vm-modules'];
  flags.push(process.allowedNodeEnvironmentFlags.has('--disable-warning') ? '--disable-warning=ExperimentalWarning' : '--no-warnings');
  // Who names files means these, slow or not; those that fetch tools are for `npm run test:long`.
  const isNamed = args.some((arg) => !arg.startsWith('-'));
  const env = {
    MAESTRO_TESTS: isNamed ? 'core,slow' : 'core',
    ...process.env,
    NODE_OPTIONS: [process.env.NODE_OPTIONS, ...flags].filter(Boolean).join(' '),
  };
  const jest = resolve(root, 'node_modules/jest/bin/jest.js');
  const child = spawn(process.execPath, [jest, '--config', resolve(root, 'tests/jest.config.js'), ...args], {
    cwd: root,
    env,
    stdio: 'inherit',
  });
  // A terminal sends Ctrl-C to jest itself, and a second one would cut its own ending short.
  process.on('SIGINT', () => process.stdin.isTTY || child.kill('SIGINT'));
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  process.exitCode = await new Promise((done) => child.on('close', (code) => done(code ?? 1)));
}
