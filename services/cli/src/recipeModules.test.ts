import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';

const MAIN = fileURLToPath(new URL('./main.js', import.meta.url));
const TIMEOUT_MS = 60_000;
const RECIPE = `{ id: 'toy', version: '1.0.0', does: 'tests', plan: () => ({}) }`;
const JOB = 'recipe: toy\ndata: { format: image-folder, path: ./images }\nschedule: { steps: 1 }\n';

let dir: string;
beforeAll(async () => {
  dir = await realpath(await mkdtemp(join(tmpdir(), 'maestro-modules-')));
  await mkdir(join(dir, 'images'));
  await writeFile(join(dir, 'job.yaml'), JOB);
});
afterAll(() => rm(dir, { recursive: true }));

/** Runs the command line with a module; one that does not end is killed. */
async function run(name: string, text: string, args: readonly string[] = ['jobs']): Promise<{ code: number | null; stderr: string }> {
  await writeFile(join(dir, name), text);
  const child: ChildProcess = spawn(process.execPath, [MAIN, ...args], {
    cwd: dir,
    env: { ...process.env, MAESTRO_RECIPES: `./${name}` },
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: TIMEOUT_MS / 2,
  });
  let stderr = '';
  child.stderr!.on('data', (part) => {
    stderr += part;
  });
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stderr };
}

test(
  'a module that ends the process, waits forever or does not run is one line that names it and the place, and a bad exit code',
  async () => {
    await writeFile(join(dir, 'part.mjs'), '\n\nconst = 1;');
    const cases = [
      ['exits.mjs', 'process.exit(0);', 'it ends the process where it is loaded (exit code 0); take the call out'],
      ['waits.mjs', 'await new Promise(() => undefined);', 'an await outside of its functions never ends'],
      ['throws.mjs', '\nthrow new RangeError("not today");', `${dir}/throws.mjs:2: not today`],
      ['parts.mjs', `import './part.mjs'; export default ${RECIPE};`, `${dir}/part.mjs:3: SyntaxError: Unexpected token '='`],
      [
        'names.mjs',
        `\nimport { nope } from './exports.mjs';`,
        `${dir}/names.mjs:2: SyntaxError: The requested module './exports.mjs' does not provide an export named 'nope'`,
      ],
    ] as const;
    await writeFile(join(dir, 'exports.mjs'), 'export const yes = 1;');
    const found = await Promise.all(cases.map(([name, text]) => run(name, text)));
    const line = (name: string, problem: string) => `maestro: MAESTRO_RECIPES: ./${name} cannot be loaded: ${problem}\n`;
    expect(found.map(({ code, stderr }) => [code, stderr])).toEqual(cases.map(([name, , problem]) => [2, line(name, problem)]));
  },
  TIMEOUT_MS,
);

test(
  'a short command ends although a module has left a timer',
  async () => {
    const text = `setInterval(() => undefined, 1000); export default ${RECIPE};`;
    const { code, stderr } = await run('timer.mjs', text, ['submit', '--dry-run', 'job.yaml']);
    expect([code, stderr]).toEqual([1, expect.stringMatching(/^maestro: .*images.*\n$/)]);
    expect(await run('timer.mjs', text, ['--help'])).toEqual({ code: 0, stderr: '' });
  },
  TIMEOUT_MS,
);
