import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { writeBlobs } from '../support/cluster/blobs.ts';
import { runCli, startCli } from '../support/cluster/runCli.ts';
import { smallJob } from '../support/cluster/smallJob.ts';

const TIMEOUT_MS = 300_000;

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
  'chaos does what its dry run says, and finds the job whole, with the same weights',
  async () => {
    const id = (await maestro('submit', 'job.json')).stdout.trim();
    const options = ['chaos', id, '--seed', '1', '--minutes', '0.4', '--json'];
    const planned = JSON.parse((await maestro(...options, '--dry-run')).stdout);
    expect(planned.length).toBeGreaterThan(1);
    const { code, stdout, stderr } = await maestro(...options);
    const report = JSON.parse(stdout);
    expect(report.events.map(({ event }: { event: unknown }) => event)).toEqual(planned);
    expect(report.findings.map(({ name, isOk }: { name: string; isOk: boolean }) => [name, isOk])).toEqual([
      ['the job continues', true],
      ['recovery is bounded', true],
      ['the audit is clean', true],
    ]);
    expect(report.goodput).toBeGreaterThan(0);
    expect(stderr).toContain('the job resumed after');
    expect(code).toBe(0);
    expect(JSON.parse((await maestro('describe', id, '--json')).stdout).state).toBe('running');
  },
  TIMEOUT_MS,
);

const findingsOf = (stdout: string): (string | boolean)[][] =>
  JSON.parse(stdout)
    .findings.map(({ name, isOk }: { name: string; isOk: boolean }) => [name, isOk])
    .slice(-1);
/** Images that the job measures with. */
const SAMPLES = 4000;
/** A hash that no job has. */
const OTHER = '0'.repeat(64);

test(
  'a reference is the hash that a job must end with: the one of an undisturbed run passes, another does not',
  async () => {
    const short = ['submit', 'job.json', '--set', 'schedule.steps=400', '--set', 'checkpoint.everySteps=200'];
    const undisturbed = JSON.parse((await maestro(...short, '--follow', '--json', '--set', 'resources.maxWorkers=1')).stdout);
    const { hash } = undisturbed.checkpoints.at(-1);
    for (const [reference, isSame] of [
      [hash, true],
      [OTHER, false],
    ] as const) {
      const id = (await maestro(...short)).stdout.trim();
      const { code, stdout, stderr } = await maestro('chaos', id, '--seed', '1', '--minutes', '0.1', '--reference', reference, '--json');
      expect([code, findingsOf(stdout)]).toEqual([isSame ? 0 : 1, [['the weights are the same', isSame]]]);
      expect(stderr).toContain(isSame ? `${hash}, as the reference` : `${hash}, but the reference has ${OTHER}`);
    }
  },
  TIMEOUT_MS,
);

test(
  'a job that measures is compared by its numbers; a hash to compare with is refused, as it leaves none',
  async () => {
    const trained = JSON.parse((await maestro('submit', 'job.json', '--follow', '--json', '--set', 'schedule.steps=5')).stdout);
    // Enough of them for the job to last until it is harmed.
    await writeBlobs(join(dir, 'more'), { count: SAMPLES });
    const measure = ['submit', '--recipe', 'knn', '--resume', trained.id, '--set', 'data.format=idx', '--set', 'data.path=more'];
    const id = (await maestro(...measure, '--set', 'schedule.microBatch=1', '--set', 'knn.k=10')).stdout.trim();
    const { code, stdout, stderr } = await maestro('chaos', id, '--seed', '1', '--minutes', '0.1', '--verify', '--json');
    expect([code, stdout === '' ? stderr : findingsOf(stdout)]).toEqual([0, [['the measurement is the same', true]]]);
    expect(stderr).toMatch(new RegExp(`knnAccuracy 0\\.\\d+, trainSamples ${SAMPLES}, .*, as the undisturbed job`));
    expect(await maestro('chaos', id, '--reference', OTHER)).toMatchObject({
      code: 2,
      stderr: `maestro: chaos: job ${id} evaluates a checkpoint and has no hash to compare; use --verify\n`,
    });
  },
  TIMEOUT_MS,
);
