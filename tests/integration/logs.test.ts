import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Cluster, startCluster } from '@maestro/cli';
import { connectJobClient, type JobClient } from '@maestro/client';
import { type LogSink, openLogSink } from '@maestro/logs';
import { writeBlobs } from '../support/cluster/blobs.ts';
import { runCli, startCli } from '../support/cluster/runCli.ts';
import { smallJob } from '../support/cluster/smallJob.ts';
import { eventually } from '../support/eventually.ts';

const TIMEOUT_MS = 300_000;

type Line = Readonly<Record<string, unknown>>;

let dir: string;
let cluster: Cluster;
let client: JobClient;
let sink: LogSink;
let path: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'maestro-logs-'));
  path = await writeBlobs(join(dir, 'blobs'), { count: 300 });
  // A picture may be drawn, and logged, after a job's end.
  const env = { MAESTRO_RECONSTRUCTION_SECONDS: '0' };
  cluster = await startCluster({ workers: 2, dataDir: join(dir, 'data'), supervise: true, env });
  client = connectJobClient(cluster.coordinator);
  sink = openLogSink({ redisUrl: cluster.redisUrl, name: 'chatty' });
}, TIMEOUT_MS);

afterAll(async () => {
  await sink?.close();
  client?.close();
  await cluster?.stop();
  await rm(dir, { recursive: true, force: true });
}, TIMEOUT_MS);

/** What a process has written to its own file about a job. */
async function written(name: string, job: string): Promise<Line[]> {
  const text = await readFile(join(dir, 'data', 'logs', `${name}.log`), 'utf8');
  return text
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Line)
    .filter((line) => line['job'] === job);
}

const submit = async (steps: number): Promise<string> => (await client.submitJob({ spec: smallJob({ path, workers: 2, steps }) })).id;
const chat = (job: string, n: number): void =>
  sink.push(
    `${JSON.stringify({ level: 'info', time: new Date().toISOString(), role: 'worker', worker: 'chatty', job, n, msg: 'chat' })}\n`,
  );

test(
  'logs -f outlives three kills of the coordinator: every line once, in order, the last ones too, and the outcome as exit code',
  async () => {
    const job = await submit(100_000);
    await eventually('the job to train', async () => (await client.getJob(job)).progress?.step);
    const follower = startCli(['--coordinator', cluster.coordinator, 'logs', job, '-f', '--json'], dir);
    const shown: Line[] = [];
    createInterface({ input: follower.stdout! }).on('line', (line) => shown.push(JSON.parse(line)));
    let stderr = '';
    follower.stderr!.on('data', (part) => {
      stderr += part;
    });
    const ended = new Promise<number | null>((resolve) => follower.once('close', resolve));
    let said = 0;
    const talk = setInterval(() => {
      for (let i = 0; i < 5; i++) chat(job, said++);
    }, 10);
    try {
      for (let kill = 0; kill < 3; kill++) {
        const before = said;
        await eventually('lines to come', () => shown.some(({ n }) => Number(n) > before + 200));
        const pid = cluster.processes.find(({ name }) => name === 'coordinator')!.pid;
        cluster.kill('coordinator');
        await eventually('another coordinator', () =>
          cluster.processes.some((each) => each.name === 'coordinator' && each.isRunning && each.pid !== pid),
        );
      }
      await cluster.connected(2);
      await eventually('the coordinator', async () => (await client.getJob(job).catch(() => undefined)) !== undefined);
    } finally {
      clearInterval(talk);
    }
    await sink.flush();
    await client.cancelJob(job);
    expect(await ended).toBe(3);
    expect(stderr).toMatch(new RegExp(`${job} cancelled: `));
    expect(shown.filter(({ worker }) => worker === 'chatty').map(({ n }) => n)).toEqual(Array.from({ length: said }, (_, i) => i));
    for (const name of ['worker-a', 'worker-b']) {
      const lines = shown.filter(({ worker, role }) => worker === name && role === 'worker');
      expect(lines).toEqual(await written(name, job));
      expect(lines.at(-1)).toMatchObject({ msg: 'left the job' });
    }
    // A coordinator that is killed takes its last milliseconds with it; what is shown of it is in order and once.
    const own = shown.filter(({ role }) => role === 'coordinator').map((line) => JSON.stringify(line));
    expect(own).toEqual((await written('coordinator', job)).map((line) => JSON.stringify(line)).filter((line) => own.includes(line)));
    expect(new Set(own).size).toBe(own.length);
    process.stderr.write(`logs -f over three kills: ${shown.length} lines, each once\n`);
    const again = await runCli(['--coordinator', cluster.coordinator, 'logs', job, '--json'], dir);
    expect(
      again.stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual(shown);
  },
  TIMEOUT_MS,
);

test(
  'lines are filtered and looked up over CLI and REST; cursors go on where one was',
  async () => {
    const job = await submit(12);
    for (let n = 0; n < 100; n++) chat(job, n);
    const followed = await runCli(['--coordinator', cluster.coordinator, 'logs', job, '-f'], dir);
    expect(followed.code).toBe(0);
    expect(followed.stdout).toMatch(/^\d\d:\d\d:\d\d\.\d{3} INFO {2}chatty {6}chat {2}n=99$/m);
    expect(followed.stdout).toMatch(/worker-[ab] {4}left the job {2}step=12 reason=/);
    expect(followed.stderr).toMatch(/succeeded: finished after 12 steps/);

    const logs = (...args: string[]) => runCli(['--coordinator', cluster.coordinator, 'logs', job, ...args], dir);
    const last = (await logs('--worker', 'chatty', '--tail', '3', '--json')).stdout.trimEnd().split('\n');
    expect(last.map((line) => JSON.parse(line).n)).toEqual([97, 98, 99]);
    expect((await logs('--grep', '"n":4\\d,')).stdout.trimEnd().split('\n')).toHaveLength(10);
    expect((await logs('--grep', 'x(')).stderr).toMatch(/^maestro: pattern "x\(": missing closing \): `x\(`$/m);
    expect((await logs('--level', 'error')).stdout).toBe('');
    expect((await logs('--since', '0s')).stdout).toBe('');
    expect((await logs('--since', 'yesterday')).code).toBe(2);

    const base = `http://${cluster.http}/api/v1/jobs/${job}/logs`;
    const get = async (query: string): Promise<Line[]> =>
      (await (await fetch(`${base}?${query}`)).text())
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line));
    const first = await get('worker=chatty&limit=40');
    expect(first.map(({ n }) => n)).toEqual(Array.from({ length: 40 }, (_, i) => i));
    const rest = await get(`worker=chatty&cursor=${first.at(-1)!['cursor']}`);
    expect(rest.map(({ n }) => n)).toEqual(Array.from({ length: 60 }, (_, i) => i + 40));
    const events = await (await fetch(`${base}?worker=chatty&follow=true`, { headers: { accept: 'text/event-stream' } })).text();
    expect(events.match(/^event: line$/gm)).toHaveLength(100);
    expect(events).toMatch(/event: end\ndata: {"state":"succeeded"}\n\n$/);
    expect(events).toContain(`id: ${first[7]!['cursor']}\nevent: line`);
    const { buckets } = (await (await fetch(`${base}/histogram?worker=chatty&buckets=10`)).json()) as {
      buckets: { counts: { info?: number } }[];
    };
    expect(buckets.reduce((sum, { counts }) => sum + (counts.info ?? 0), 0)).toBe(100);
    for (const [query, message] of [
      ['search=(', 'missing closing'],
      ['cursor=nonsense', 'cursor'],
      ['level=loud', 'level'],
      ['from=yesterday', 'from'],
      ['limit=0', 'limit'],
    ]) {
      const response = await fetch(`${base}?${query}`);
      expect([query, response.status, response.headers.get('content-type')]).toEqual([query, 400, expect.stringContaining('problem+json')]);
      expect(await response.text()).toContain(message);
    }
    expect((await fetch(base.replace(job, `job-${'0'.repeat(26)}`))).status).toBe(404);
  },
  TIMEOUT_MS,
);
