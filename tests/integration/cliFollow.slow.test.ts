import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type CliCluster, openCliCluster } from '../support/cluster/cliCluster.ts';
import { CLI, runCli, startCli } from '../support/cluster/runCli.ts';
import { eventually } from '../support/eventually.ts';

const TIMEOUT_MS = 300_000;

let cluster: CliCluster;
let dir: string;
const maestro = (...args: string[]) => cluster.maestro(...args);

beforeAll(async () => {
  cluster = await openCliCluster('cli-follow');
  ({ dir } = cluster);
}, TIMEOUT_MS);

afterAll(async () => {
  await cluster?.stop();
}, TIMEOUT_MS);

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
    const resume = ['submit', 'job.json', '--resume', path, '--set', `schedule.steps=${step + 2}`, '--follow', '--json'];
    expect((await maestro(...resume)).stderr).toContain(
      `belongs to a different job: schedule.steps: 5000 there, ${step + 2} here; set checkpoint.resumeAnyway`,
    );
    const resumed = await maestro(...resume, '--resume-anyway');
    expect(JSON.parse(resumed.stdout)).toMatchObject({ state: 'succeeded', progress: { step: step + 2 } });
    expect(await maestro('submit', 'job.json', '--resume', path, '--resume-anyway', '--set', `schedule.steps=${step}`)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining(`nothing to do: the checkpoint has ${step} steps done, and the job ends after ${step}`),
    });
  },
  TIMEOUT_MS,
);

test(
  'Ctrl-C leaves a followed job running and says how to come back; follow comes back, and tells the outcome',
  async () => {
    const follower = startCli(['submit', 'job.json', '--follow', '--set', 'schedule.steps=5000'], dir);
    const exit = once(follower, 'exit');
    let told = '';
    for await (const part of follower.stderr!.setEncoding('utf8')) {
      told += part;
      if (/step +[1-9]/.test(told) && !follower.killed) follower.kill('SIGINT');
    }
    expect((await exit)[0]).toBe(0);
    const [, id] = /detached; the job keeps running\. Reattach with `maestro follow (job-\w+)`, cancel with `maestro cancel \1`/.exec(
      told,
    )!;
    expect(JSON.parse((await maestro('jobs', '--state', 'running', '--json')).stdout)).toMatchObject([{ id }]);
    const back = runCli(['follow', id!], dir);
    expect((await maestro('cancel', id!)).code).toBe(0);
    expect(await back).toMatchObject({ code: 3, stdout: `${id} cancelled: cancelled on request\n` });
  },
  TIMEOUT_MS,
);

test(
  'top shows jobs and workers: once in a pipe, as JSON, and live on a terminal until q is pressed',
  async () => {
    const id = (await maestro('submit', 'job.json', '--set', 'schedule.steps=5000', '--set', 'priority=7')).stdout.trim();
    const waiting = (await maestro('submit', 'job.json', '--set', 'name=second')).stdout.trim();
    await eventually('the job trains', async () => /\d+\/5000/.test((await maestro('top')).stdout));
    const { code, stdout } = await maestro('top', '--once');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^maestro 127\.0\.0\.1:\d+ .* 1 running, 1 waiting +2 workers, 0 free +[\d.]+ images\/s$/m);
    expect(stdout).toMatch(new RegExp(`^${id} +small +7 +running +\\d+/5000 +\\d+ %`, 'm'));
    expect(stdout).toMatch(new RegExp(`^${waiting} +second +0 +queued .* waiting: needs 2 cpu workers, 0 free$`, 'm'));
    expect(stdout).toMatch(new RegExp(`^worker-a +cpu +${id} +0\\.\\.3 `, 'm'));
    const frame = JSON.parse((await maestro('top', '--json')).stdout);
    expect(frame).toMatchObject({ jobs: [{ id: waiting }, { id }, ...new Array(frame.jobs.length - 2).fill({})], workers: [{}, {}] });
    const workers = JSON.parse((await maestro('workers', '--json')).stdout);
    expect(workers).toMatchObject([{ jobId: id }, { jobId: id }]);

    // `script` gives it a terminal.
    const live = spawn('script', ['-qec', `${process.execPath} ${CLI} top --interval 0.1`, '/dev/null'], { cwd: dir });
    let screen = '';
    for await (const part of live.stdout.setEncoding('utf8')) {
      screen += part;
      // Not before it was drawn anew.
      if (screen.split('q quits; jobs go on').length >= 3 && !live.stdin.writableEnded) live.stdin.end('q');
    }
    expect(screen).toContain('\x1b[?1049h');
    expect(screen.endsWith('\x1b[?25h\x1b[?1049l')).toBe(true);
    for (const each of [id, waiting]) expect((await maestro('cancel', each)).code).toBe(0);
    expect(await maestro('follow', id)).toMatchObject({ code: 3 });
  },
  TIMEOUT_MS,
);
