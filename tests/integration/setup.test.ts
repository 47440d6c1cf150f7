import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterEach, beforeEach, expect, test } from '@jest/globals';

const REPOSITORY = resolve(fileURLToPath(import.meta.url), '../../../..');
const moduleUrl = (name: string) => pathToFileURL(join(REPOSITORY, 'deploy/setup', name)).href;

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'maestro-setup-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a script in a Node of its own; `onOutput` sees its standard output so far. */
function runScript(
  script: string,
  args: string[] = [],
  onOutput: (stdout: string, child: ChildProcess) => void = () => undefined,
): Promise<Ended> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    onOutput(stdout, child);
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  return new Promise((done, fail) => {
    child.on('error', fail);
    child.on('close', (code) => done({ code, stdout, stderr }));
  });
}

const runProgram = `import { run } from '${moduleUrl('main.mjs')}'; await run(process.argv.slice(1));`;

test('a program is run with its arguments, and its exit code is the one of the command', async () => {
  const program = join(folder, 'program.mjs');
  await writeFile(program, 'console.log(JSON.stringify(process.argv.slice(2))); process.exitCode = 7;');
  expect(await runScript(runProgram, [program, '--steps', '40', '--json'])).toEqual({
    code: 7,
    stdout: '["--steps","40","--json"]\n',
    stderr: '',
  });
});

test('paths of `npm run maestro` are of the folder in which it is typed, and its cluster is the one of the clone', async () => {
  const program = join(folder, 'program.mjs');
  await writeFile(program, 'console.log(JSON.stringify([process.cwd(), process.env.MAESTRO_DATA_DIR]));');
  const typedIn = async (script: string, dataDir = '') => {
    const variables = { INIT_CWD: folder, npm_lifecycle_event: script, MAESTRO_DATA_DIR: dataDir };
    const env = `Object.assign(process.env, ${JSON.stringify(variables)});`;
    return JSON.parse((await runScript(`process.chdir(${JSON.stringify(REPOSITORY)}); ${env} ${runProgram}`, [program])).stdout) as unknown;
  };
  expect(await typedIn('maestro')).toEqual([folder, join(REPOSITORY, '.maestro')]);
  expect(await typedIn('maestro', './mine')).toEqual([folder, './mine']);
  // Other scripts write to the repository.
  expect(await typedIn('docs')).toEqual([REPOSITORY, '']);
});

test('a signal reaches the program that is run', async () => {
  const program = join(folder, 'program.mjs');
  await writeFile(
    program,
    "const alive = setInterval(() => {}, 1000); process.on('SIGTERM', () => { clearInterval(alive); console.log('ended well'); }); " +
      "console.log('ready');",
  );
  const ended = await runScript(runProgram, [program], (stdout, child) => {
    if (stdout === 'ready\n') child.kill('SIGTERM');
  });
  expect(ended).toEqual({ code: 0, stdout: 'ready\nended well\n', stderr: '' });
});

test('an unknown option is refused before anything is done, on standard error', async () => {
  const script = `import { main } from '${moduleUrl('main.mjs')}'; await main(['--demo']);`;
  const message = 'setup: unknown option --demo: there are --build, --run FILE and --test\n';
  expect(await runScript(script)).toEqual({ code: 1, stdout: '', stderr: message });
});

/** A repository of one project, whose compiler is ours. */
async function makeRepository(): Promise<void> {
  await mkdir(join(folder, 'packages/a/src'), { recursive: true });
  await mkdir(join(folder, 'node_modules'));
  await symlink(join(REPOSITORY, 'node_modules/typescript'), join(folder, 'node_modules/typescript'));
  await writeFile(join(folder, 'package.json'), '{"type":"module"}');
  await writeFile(join(folder, 'tsconfig.json'), '{"files":[],"references":[{"path":"packages/a"}]}');
  const compilerOptions = {
    composite: true,
    module: 'nodenext',
    types: [],
    rootDir: 'src',
    outDir: 'dist',
    tsBuildInfoFile: 'dist/.tsbuildinfo',
  };
  await writeFile(join(folder, 'packages/a/tsconfig.json'), JSON.stringify({ compilerOptions, include: ['src'] }));
  for (const name of ['one', 'two']) await writeFile(join(folder, `packages/a/src/${name}.ts`), 'export const x = 1;\n');
}

/** Builds that repository unless it is built, and says whether there was something to do. */
async function buildRepository(): Promise<Ended & { readonly outputs: string[] }> {
  const script = `import { build, isBuilt } from '${moduleUrl('build.mjs')}'; import { SetupError } from '${moduleUrl('environment.mjs')}';
    const [root] = process.argv.slice(1);
    if (isBuilt(root)) console.log('nothing to do');
    else await build(root).catch((error) => { console.log(error instanceof SetupError, error.message); process.exitCode = 1; });`;
  const ended = await runScript(script, [folder]);
  return { ...ended, outputs: existsSync(join(folder, 'packages/a/dist')) ? (await readdir(join(folder, 'packages/a/dist'))).sort() : [] };
}

test('a build is done when sources changed or outputs are gone, and not otherwise', async () => {
  await makeRepository();
  const outputs = ['.tsbuildinfo', 'one.d.ts', 'one.js', 'two.d.ts', 'two.js'];
  const built = { code: 0, stdout: '', stderr: 'setup: building\n', outputs };
  const idle = { code: 0, stdout: 'nothing to do\n', stderr: '', outputs };
  expect(await buildRepository()).toEqual(built);
  expect(await buildRepository()).toEqual(idle);
  await utimes(join(folder, 'packages/a/src/one.ts'), 1, 1);
  expect(await buildRepository()).toEqual(built);
  await rm(join(folder, 'packages/a/dist'), { recursive: true });
  expect(await buildRepository()).toEqual(built);
  expect(await buildRepository()).toEqual(idle);
});

test('outputs whose source is gone are removed, so that no stale test runs', async () => {
  await makeRepository();
  await buildRepository();
  await rm(join(folder, 'packages/a/src/two.ts'));
  await writeFile(join(folder, 'packages/a/dist/picture.png'), 'not the compiler’s');
  expect((await buildRepository()).outputs).toEqual(['.tsbuildinfo', 'one.d.ts', 'one.js', 'picture.png']);
});

test('a build that fails says why and is tried again the next time', async () => {
  await makeRepository();
  await writeFile(join(folder, 'packages/a/src/two.ts'), 'export const x: string = 1;\n');
  for (let time = 0; time < 2; time++) {
    const { code, stdout } = await buildRepository();
    expect(code).toBe(1);
    expect(stdout).toMatch(/^true the build failed:\n.*two\.ts.*TS2322/);
  }
});

const lockProgram = `import { appendFileSync } from 'node:fs'; import { setTimeout } from 'node:timers/promises';
  import { withLock } from '${moduleUrl('lock.mjs')}';
  const [folder] = process.argv.slice(1);
  await withLock(async () => {
    appendFileSync(folder + '/journal', 'in ');
    await setTimeout(30);
    appendFileSync(folder + '/journal', 'out ');
  }, folder + '/lock');`;

test('set-ups of one clone work one after the other, and a lock of a dead one does not hold them', async () => {
  // A process that is gone, and one whose number is another's by now.
  for (const owner of ['999999999', `${process.pid}\nlong ago`]) {
    await mkdir(join(folder, 'lock'), { recursive: true });
    await writeFile(join(folder, 'lock/1000000'), owner);
    const ended = await Promise.all(Array.from({ length: 4 }, () => runScript(lockProgram, [folder])));
    expect(ended.map(({ code }) => code)).toEqual([0, 0, 0, 0]);
    expect(await readFile(join(folder, 'journal'), 'utf8')).toBe('in out '.repeat(4));
    // One claim is left, and it is released.
    expect(await readdir(join(folder, 'lock'))).toEqual(['1000004']);
    expect(await readFile(join(folder, 'lock/1000004'), 'utf8')).toBe('released');
    await rm(join(folder, 'journal'));
    await rm(join(folder, 'lock'), { recursive: true });
  }
});
