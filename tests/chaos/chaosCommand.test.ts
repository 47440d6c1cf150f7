import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { writeBlobs } from '../support/blobs.ts';
import { runCli, startCli } from '../support/runCli.ts';
import { smallJob } from '../support/smallJob.ts';

const TIMEOUT_MS = 150_000;

let dir: string;
let up: ChildProcess;
const maestro = (...args: string[]) => runCli(args, dir);

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'maestro-chaos-'));
  const path = await writeBlobs(join(dir, 'blobs'), { count: 424 });
  const job = smallJob({ path, workers: 2, steps: 100_000, checkpoint: { everySteps: 200 }, resources: { minWorkers: 1, maxWorkers: 8 } });
  await writeFile(join(dir, 'job.json'), JSON.stringify(job));
  up = startCli(['up', '--workers', '2', '--port', '0'], dir);
  for await (const line of createInterface({ input: up.stdout! })) if (line.startsWith('ready')) break;
}, TIMEOUT_MS);

afterAll(async () => {
  const ended = once(up, 'exit');
  up.kill('SIGTERM');
  await ended;
  await rm(dir, { recursive: true, force: true, maxRetries: 5 });
}, TIMEOUT_MS);

test(
  'chaos does what its dry run says, and finds that the job did not mind',
  async () => {
    const id = (await maestro('submit', 'job.json')).stdout.trim();
    const options = ['chaos', id, '--seed', '1', '--minutes', '0.4', '--json'];
    const planned = JSON.parse((await maestro(...options, '--dry-run')).stdout);
    expect(planned.length).toBeGreaterThan(1);
    const { code, stdout, stderr } = await maestro(...options);
    const report = JSON.parse(stdout);
    expect(report.events.map(({ event }: { event: unknown }) => event)).toEqual(planned);
    expect(report.findings.map(({ name, isOk }: { name: string; isOk: boolean }) => [name, isOk])).toEqual([
      ['the job goes on', true],
      ['recovery is bounded', true],
      ['the audit is clean', true],
    ]);
    expect(report.goodput).toBeGreaterThan(0);
    expect(stderr).toContain('the job went on after');
    expect(code).toBe(0);
    expect(JSON.parse((await maestro('describe', id, '--json')).stdout).state).toBe('running');
  },
  TIMEOUT_MS,
);
