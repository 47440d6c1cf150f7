import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import sharp from 'sharp';
import { CLI, startCli } from '../support/cluster/runCli.ts';
import { eventually } from '../support/eventually.ts';
import { shellBlocks } from '../support/shellBlocks.ts';

const TIMEOUT_MS = 300_000;
const GUIDE = fileURLToPath(new URL('../../../docs/guide/', import.meta.url));
/** In the order in which a newcomer reads them: each goes on where the one before ends. */
const PAGES = ['first-job.md', 'logs.md', 'storage.md', 'watching-a-run.md', 'when-something-goes-wrong.md'];
/** Pages whose commands want machines that are not here; what tries as much of them as can be. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  'several-machines.md': 'composeOverlays.test.ts, and its certificates below',
  'kubernetes.md': 'kubernetes/manifests.test.ts',
  'write-a-recipe.md': 'writtenRecipe.slow.test.ts',
};
/** The address that the guide tells of; here the port is a free one. */
const DOCUMENTED_HTTP = '127.0.0.1:7080';
const START = /^maestro up /;

let dir: string;
let up: ChildProcess | undefined;
let http = '';

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'maestro-docs-'));
  for (const [folder, kind] of ['images', 'held-out'].flatMap((each) => ['round', 'square'].map((kind) => [each, kind] as const))) {
    await mkdir(join(dir, folder, kind), { recursive: true });
    for (let i = 0; i < 24; i++) {
      const shape =
        kind === 'round'
          ? `<circle cx="${20 + i}" cy="30" r="14" fill="#f80"/>`
          : `<rect x="${4 + i}" y="12" width="26" height="26" fill="#08f"/>`;
      const svg =
        '<svg xmlns="http://www.w3.org/2000/svg" width="64" height="60"><rect width="64" height="60" ' +
        `fill="#${(i * 9 + 20).toString(16)}3050"/>${shape}</svg>`;
      await sharp(Buffer.from(svg))
        .jpeg()
        .toFile(join(dir, folder, kind, `${i}.jpg`));
    }
  }
  const command = join(dir, 'bin', 'maestro');
  await mkdir(dirname(command));
  await writeFile(command, `#!/bin/sh\nexec "${process.execPath}" "${CLI}" "$@"\n`);
  await chmod(command, 0o755);
}, TIMEOUT_MS);

afterAll(async () => {
  if (up !== undefined && up.exitCode === null) {
    up.kill('SIGTERM');
    await once(up, 'exit');
  }
  await rm(dir, { recursive: true, force: true, maxRetries: 5 });
}, TIMEOUT_MS);

/** What a terminal of its own does in the guide: the cluster runs until the guide ends it. */
async function startCluster(block: string): Promise<void> {
  up = startCli([...block.trim().split(' ').slice(1), '--port', '0'], dir);
  let output = '';
  up.stdout!.on('data', (part) => {
    output += part;
  });
  http = await eventually('the cluster', () => /ready;/.test(output) && /dashboard at http:\/\/(\S+)\//.exec(output)?.[1]);
}

/** Runs blocks one after the other in one shell, that stops at the first command that fails. */
async function runShell(blocks: readonly string[]): Promise<{ readonly code: number; readonly output: string }> {
  const shell = spawn('sh', ['-eu', '-c', blocks.map((block, i) => `echo "# block ${i + 1}"\n${block}`).join('\n')], {
    cwd: dir,
    env: { ...process.env, PATH: `${join(dir, 'bin')}:${process.env['PATH']}` },
  });
  let output = '';
  for (const stream of [shell.stdout, shell.stderr]) stream.on('data', (part) => (output += part));
  const [code] = (await once(shell, 'close')) as [number];
  return { code, output };
}

test.each(PAGES)(
  'every command of docs/guide/%s works, in its order',
  async (name) => {
    const blocks = shellBlocks(await readFile(join(GUIDE, name), 'utf8'));
    expect(blocks.length).toBeGreaterThanOrEqual(1);
    for (const block of blocks.filter((each) => START.test(each))) await startCluster(block);
    const others = blocks.filter((each) => !START.test(each)).map((each) => each.replaceAll(DOCUMENTED_HTTP, http));
    const { code, output } = await runShell(others);
    expect({ name, code, output: code === 0 ? '' : output.slice(-3000) }).toEqual({ name, code: 0, output: '' });
    if (name === 'first-job.md') await access(join(dir, 'reconstruction.png'));
    if (name === 'storage.md') for (const folder of ['packed', 'pixels']) await access(join(dir, folder, 'index.json'));
    if (name === 'watching-a-run.md') expect((await stat(join(dir, 'curves.csv'))).size).toBeGreaterThan(100);
  },
  TIMEOUT_MS,
);

test('the certificates of docs/guide/several-machines.md are made', async () => {
  const blocks = shellBlocks(await readFile(join(GUIDE, 'several-machines.md'), 'utf8')).filter((block) =>
    block.startsWith('maestro certs'),
  );
  expect(blocks).toHaveLength(1);
  const { code, output } = await runShell(blocks);
  expect([code, code === 0 ? '' : output]).toEqual([0, '']);
  for (const name of ['ca.pem', 'worker-1.pem', 'worker-2-key.pem']) await access(join(dir, 'certs', name));
});

test('no page of the guide has commands that nobody tries', async () => {
  for (const name of await readdir(GUIDE)) {
    if (PAGES.includes(name) || name in ELSEWHERE) continue;
    expect([name, shellBlocks(await readFile(join(GUIDE, name), 'utf8'))]).toEqual([name, []]);
  }
});

test('the pictures and pages that the guide points to are there', async () => {
  for (const name of await readdir(GUIDE)) {
    const text = await readFile(join(GUIDE, name), 'utf8');
    for (const [, target] of text.matchAll(/\]\(((?!https?:)[^)#]+)\)/g)) await access(join(GUIDE, target!));
  }
});
