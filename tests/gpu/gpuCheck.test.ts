import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { eventually } from '../support/eventually.ts';

const TIMEOUT_MS = 120_000;
const PROGRAM = fileURLToPath(new URL('./main.js', import.meta.url));
const SMALL = ['--device', 'cpu', '--models', 'nano', '--timed-model', 'nano', '--batches', '1', '--runs', '1'];

let dir: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'maestro-gpu-check-'));
});

afterAll(async () => {
  await rm(dir, { recursive: true, force: true });
});

const envWith = (python: string) => ({ ...process.env, NODE_OPTIONS: '', PYTHON: python });

function check(args: readonly string[], python = '/nonexistent') {
  const { status, stdout, stderr } = spawnSync(process.execPath, [PROGRAM, ...args], { encoding: 'utf8', env: envWith(python) });
  return { status, stderr, report: JSON.parse(stdout) };
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** An interpreter that does what a shell script says, whatever it is asked to run. */
async function pythonOf(script: string): Promise<string> {
  const path = join(dir, `python-${Math.random().toString(36).slice(2)}`);
  await writeFile(path, `#!/bin/sh\n${script}\n`);
  await chmod(path, 0o755);
  return path;
}

test(
  'a check of a CPU gives one report with every part, and says why PyTorch was left out',
  () => {
    const { status, report } = check(SMALL);
    expect(status).toBe(0);
    expect(report).toMatchObject({
      passed: true,
      unfinished: [],
      plan: { timedModel: 'nano', batches: [1], runs: 1 },
      about: { times: expect.stringContaining('milliseconds') },
      gradients: { passed: true },
      repeatability: { passed: true, distinct: 1 },
      curve: { passed: true, steps: 200 },
      torch: { skipped: expect.stringContaining('/nonexistent has no torch') },
    });
    const ways = report.throughput.results.map(({ engine, exchange }: Record<string, string>) => `${engine} ${exchange}`);
    expect(ways).toEqual(['capi alone', 'capi with peers', 'node with peers']);
    for (const { stepMs, hostToDeviceMs, computeMs, deviceToHostMs, firstLoss } of report.throughput.results) {
      expect(stepMs).toBeGreaterThan(0);
      expect(hostToDeviceMs + computeMs + deviceToHostMs).toBeLessThanOrEqual(stepMs + 0.02);
      expect(firstLoss).toBe(report.throughput.results[0].firstLoss);
    }
  },
  TIMEOUT_MS,
);

test(
  'what PyTorch told before it failed is kept',
  async () => {
    const python = await pythonOf(`echo '{"torch": "9.9"}'; echo '{"batch": 1, "stepMs": 5}'; echo 'out of memory' >&2; exit 1`);
    const { report } = check([...SMALL, '--only', 'torch'], python);
    expect(report.torch).toEqual({ torch: '9.9', results: [{ batch: 1, stepMs: 5 }], stopped: 'out of memory' });
  },
  TIMEOUT_MS,
);

test(
  'a check that is stopped prints what it has, and takes its child along',
  async () => {
    const python = await pythonOf(`echo $$ > ${dir}/pid; exec sleep 60`);
    const child = spawn(process.execPath, [PROGRAM, ...SMALL, '--only', 'repeatability,torch'], { env: envWith(python) });
    let stdout = '';
    child.stdout.on('data', (text) => {
      stdout += text;
    });
    const pid = await eventually('PyTorch', async () => Number(await readFile(join(dir, 'pid'), 'utf8').catch(() => '')) || undefined);
    child.kill('SIGTERM');
    const [status] = await once(child, 'close');
    expect(status).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({
      passed: false,
      error: 'stopped by SIGTERM',
      unfinished: ['torch'],
      repeatability: { passed: true },
    });
    await eventually('the end of PyTorch', () => !isAlive(pid));
  },
  TIMEOUT_MS,
);

test('a check that is called wrongly says so, and ends with 2', () => {
  const unknown = check(['--devise', 'cpu']);
  expect([unknown.status, unknown.report]).toEqual([2, { passed: false, error: expect.stringContaining("Unknown option '--devise'") }]);
  const part = check(['--device', 'cpu', '--only', 'speed']);
  expect([part.status, part.report.error]).toEqual([2, '--only speed: expected gradients, repeatability, curve, throughput, torch']);
});
