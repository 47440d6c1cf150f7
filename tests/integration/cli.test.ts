import type { ChildProcess } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { writeBlobs } from '../support/blobs.ts';
import { runCli, startCli } from '../support/runCli.ts';
import { smallJob } from '../support/smallJob.ts';

const TIMEOUT_MS = 120_000;

let dir: string;
let up: ChildProcess;
const maestro = (...args: string[]) => runCli(args, dir);

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'maestro-cli-'));
  const path = await writeBlobs(join(dir, 'blobs'), { count: 300 });
  await writeFile(join(dir, 'job.json'), JSON.stringify({ ...smallJob({ path, workers: 2 }), data: { format: 'idx', path: 'blobs' } }));
  up = startCli(['up', '--workers', '2', '--port', '0'], dir);
  for await (const line of createInterface({ input: up.stdout! })) {
    if (line.startsWith('ready')) break;
  }
}, TIMEOUT_MS);

afterAll(async () => {
  up?.kill('SIGTERM');
  await rm(dir, { recursive: true, force: true });
}, TIMEOUT_MS);

test(
  'from a file to a picture: submit, follow, jobs, describe, checkpoint, reconstruct',
  async () => {
    const submitted = await maestro('submit', 'job.json', '--follow', '--set', 'name=tried', '--json');
    expect(submitted).toMatchObject({ code: 0 });
    expect(submitted.stderr).toContain('succeeded: finished after 12 steps');
    expect(submitted.stderr).toMatch(/\[#{28}\] 100 % {2}step 12\/12 .* loss 0\.\d{4} .* images\/s/);
    const job = JSON.parse(submitted.stdout);
    expect(job).toMatchObject({ name: 'tried', state: 'succeeded' });

    expect((await maestro('jobs')).stdout).toMatch(new RegExp(`^ID .*\\n${job.id} +tried +succeeded +12/12`));
    expect(JSON.parse((await maestro('jobs', '--json')).stdout)[0].id).toBe(job.id);
    const described = await maestro('describe', job.id);
    expect(described.stdout).toContain('State:      succeeded: finished after 12 steps');
    expect(described.stdout).toContain(job.checkpoints[0].hash);

    const listed = (await maestro('checkpoint', 'ls', job.id)).stdout;
    expect(listed.match(/^(?:STEP|\d+) .*$/gm)).toEqual([
      expect.stringMatching(/^STEP +SIZE +AGE +STATUS +HASH$/),
      ...[5, 10, 12].map((step) => expect.stringMatching(new RegExp(`^${step} +[\\d.]+ MB +0:\\d\\d +valid +[0-9a-f]{64}$`))),
    ]);
    const inFolder = await maestro('checkpoint', 'ls', join('.maestro', 'jobs', job.id, 'checkpoints'), '--json');
    expect(JSON.parse(inFolder.stdout)).toMatchObject([5, 10, 12].map((step) => ({ step, valid: true, problems: [] })));
    const { path } = job.checkpoints.at(-1);
    expect(await maestro('checkpoint', 'verify', path)).toMatchObject({ code: 0 });

    const drawn = await maestro('reconstruct', job.id, '--out', 'drawn.png', '--count', '4', '--json');
    const report = JSON.parse(drawn.stdout);
    expect(report).toMatchObject({ step: 12, images: 4 });
    expect(report.maskedMse).toBeGreaterThan(0);
    expect((await readFile(join(dir, 'drawn.png'))).subarray(1, 4).toString()).toBe('PNG');
  },
  TIMEOUT_MS,
);

test(
  'a damaged checkpoint is told by file, and reconstruct takes the newest sound one',
  async () => {
    const job = JSON.parse((await maestro('submit', 'job.json', '--follow', '--json')).stdout);
    const last = job.checkpoints.at(-1).path;
    const model = await readFile(join(last, 'model.safetensors'));
    model[model.length - 5]! ^= 1;
    await writeFile(join(last, 'model.safetensors'), model);
    const verified = await maestro('checkpoint', 'verify', last);
    expect(verified).toMatchObject({ code: 1 });
    expect(verified.stdout).toMatch(/^12 .* INVALID {2}model\.safetensors .*SHA-256/m);
    const drawn = await maestro('reconstruct', job.id, '--out', 'drawn.png', '--json');
    expect(drawn.stderr).toMatch(/^maestro: step-00000012: model\.safetensors has SHA-256 .*; falling back to step-00000010$/m);
    expect(JSON.parse(drawn.stdout).step).toBe(10);
  },
  TIMEOUT_MS,
);

test(
  'a cancelled job ends the follower with 3, and can be resumed',
  async () => {
    const follower = runCli(['submit', 'job.json', '--follow', '--set', 'schedule.steps=5000', '--json', '--idempotency-key', 'long'], dir);
    const { stdout } = await maestro('submit', 'job.json', '--set', 'schedule.steps=5000', '--json', '--idempotency-key', 'long');
    const { id } = JSON.parse(stdout);
    for (;;) {
      const { progress } = JSON.parse((await maestro('describe', id, '--json')).stdout);
      if ((progress?.step ?? 0) > 2) break;
    }
    expect((await maestro('cancel', id)).code).toBe(0);
    const followed = await follower;
    expect(followed.code).toBe(3);
    const { step, path } = JSON.parse(followed.stdout).checkpoints.at(-1);
    const resumed = await maestro('submit', 'job.json', '--resume', path, '--set', `schedule.steps=${step + 2}`, '--follow', '--json');
    expect(JSON.parse(resumed.stdout)).toMatchObject({ state: 'succeeded', progress: { step: step + 2 } });
  },
  TIMEOUT_MS,
);

test('mistakes are answered in one line on standard error, with what to do, and exit code 2 where the input was wrong', async () => {
  await writeFile(join(dir, 'bad.yaml'), 'data: { format: idx, path: x }\nschedule: { epoch: 3 }\n');
  const tries: [string[], number, string][] = [
    [['submit', 'bad.yaml'], 2, 'schedule.epoch: unknown key, did you mean epochs?'],
    [['submit', 'none.yaml'], 1, 'job file none.yaml: ENOENT'],
    [['submit'], 2, 'give a job file, or keys with --set'],
    [['describe', 'job-none'], 1, 'job job-none: not found; `maestro jobs` lists all jobs'],
    [['checkpoint', 'verify', 'nowhere'], 1, 'there is no such folder'],
    [['--coordinator', '127.0.0.1:9', 'jobs'], 1, 'no coordinator answers at 127.0.0.1:9; start one with `maestro up`'],
    [['up', '--workers', '0'], 2, 'Expected a whole number of at least 1.'],
  ];
  for (const [args, code, message] of tries) {
    const result = await maestro(...args);
    expect([args, result.code, result.stderr]).toEqual([args, code, expect.stringContaining(message)]);
    expect(result.stdout).toBe('');
  }
}, 60_000);

test(
  'doctor finds what this machine has, and says what CUDA lacks',
  async () => {
    const { code, stdout } = await maestro('doctor', '--json');
    const findings: { name: string; ok: boolean }[] = JSON.parse(stdout);
    expect(code).toBe(0);
    expect(findings.filter(({ ok }) => ok).map(({ name }) => name)).toEqual(expect.arrayContaining(['Node', 'Redis', 'ONNX Runtime']));
  },
  TIMEOUT_MS,
);

test(
  'down ends every process of the cluster and forgets it',
  async () => {
    const ended = new Promise((resolve) => up.once('exit', resolve));
    expect(await maestro('down')).toMatchObject({ code: 0, stdout: 'stopped\n' });
    expect(await ended).toBe(0);
    expect(await readdir(join(dir, '.maestro'))).not.toContain('cluster.json');
    expect(await maestro('down')).toMatchObject({ code: 1 });
  },
  TIMEOUT_MS,
);
