import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Cluster, startCluster } from '@maestro/cli';
import { connectJobClient, type JobClient } from '@maestro/client';
import type { Job } from '@maestro/protocol';
import { writeBlobs } from '../support/cluster/blobs.ts';
import { runCli } from '../support/cluster/runCli.ts';
import { smallJob } from '../support/cluster/smallJob.ts';
import { eventually } from '../support/eventually.ts';
import { checkMetrics, PROMTOOL } from '../support/tools/promtool.ts';

const TIMEOUT_MS = 300_000;
const STEPS = 400;

let dir: string;
let cluster: Cluster;
let client: JobClient;
let job: Job;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'maestro-metrics-'));
  const path = await writeBlobs(join(dir, 'blobs'), { count: 300 });
  cluster = await startCluster({
    workers: 2,
    dataDir: join(dir, 'data'),
    env: { MAESTRO_FAILURE_TIMEOUT_MS: '2000', MAESTRO_METRICS_LISTEN: '127.0.0.1:0', MAESTRO_RECONSTRUCTION_SECONDS: '1' },
  });
  client = connectJobClient(cluster.coordinator);
  job = await client.submitJob({
    spec: smallJob({ path, workers: 2, steps: STEPS, checkpoint: { everySteps: 50 }, resources: { minWorkers: 1 } }),
  });
}, TIMEOUT_MS);

afterAll(async () => {
  client?.close();
  await cluster?.stop();
  await rm(dir, { recursive: true, force: true });
}, TIMEOUT_MS);

const get = async (path: string): Promise<Response> => fetch(`http://${cluster.http}${path}`);
const getJson = async <Body>(path: string): Promise<Body> => (await (await get(`/api/v1/jobs/${job.id}${path}`)).json()) as Body;
/** The job once `until` holds; a coordinator that is away is asked again. */
const jobWhen = (what: string, until: (now: Job) => boolean): Promise<Job> =>
  eventually(
    what,
    async () => {
      const now = await client.getJob(job.id).catch(() => undefined);
      return now !== undefined && until(now) && now;
    },
    { timeoutMs: 60_000 },
  );

interface Timeline {
  readonly phases: readonly string[];
  readonly workers: readonly {
    readonly name: string;
    readonly steps: readonly { readonly step: number; readonly durations: Record<string, number> }[];
  }[];
}

interface Series {
  readonly series: readonly { readonly name: string; readonly points: readonly (readonly [number, number, number])[] }[];
}

test(
  'the timeline tells where the time of the last steps went, on every worker',
  async () => {
    const both = (at: Timeline) => at.workers.length === 2 && at.workers.every(({ steps }) => steps.length >= 5) && at;
    const timeline = await eventually('times of both workers', async () => both(await getJson<Timeline>('/timeline?steps=50')), {
      timeoutMs: 60_000,
    });
    expect(timeline.workers.map(({ name }) => name)).toEqual(['worker-a', 'worker-b']);
    for (const { steps } of timeline.workers) {
      for (const { durations } of steps) {
        expect(Object.keys(durations).sort()).toEqual([...timeline.phases].sort());
        expect(durations['forward']).toBeGreaterThan(0);
        expect(Object.values(durations).every((seconds) => seconds >= 0)).toBe(true);
      }
    }
  },
  TIMEOUT_MS,
);

test(
  'one scrape of the coordinator gives its own metrics and those of its workers, as each of them serves them itself',
  async () => {
    const page = await eventually('metrics of both workers', async () => {
      const text = await (await get('/metrics')).text();
      return (
        ['worker-a', 'worker-b'].every((name) => text.includes(`maestro_step_duration_seconds_count{worker="${name}",phase="forward"}`)) &&
        text
      );
    });
    expect(page).toMatch(/^maestro_workers\{state="busy"\} 2$/m);
    expect(page).toMatch(/^maestro_loss\{job="small"\} [0-9.]+$/m);
    expect(page).toMatch(/^maestro_goodput_ratio\{job="small"\} 0\.[0-9]+$/m);
    expect(page).not.toContain(job.id);
    const log = await readFile(join(dir, 'data', 'logs', 'worker-a.log'), 'utf8');
    const { address } = JSON.parse(log.split('\n').find((line) => line.includes('metrics are served'))!) as { address: string };
    const own = await (await fetch(`http://${address}/metrics`)).text();
    expect((await fetch(`http://${address}/healthz`)).status).toBe(200);
    expect((await fetch(`http://${address}/readyz`)).status).toBe(200);
    expect((await fetch(`http://${address}/other`)).status).toBe(404);
    expect(own).toMatch(/^maestro_images_total [1-9][0-9]*$/m);
    expect(own).toMatch(/^maestro_allreduce_bytes_total\{direction="received"\} [1-9][0-9]*$/m);
  },
  TIMEOUT_MS,
);

test(
  'a coordinator that is killed leaves no hole in the curves and doubles no point; a worker that is gone disappears',
  async () => {
    await cluster.restart('coordinator');
    await jobWhen('some steps more', ({ progress }) => progress !== null && progress.step > 150);
    cluster.kill('worker-b');
    await eventually('worker-b to disappear', async () => {
      const text = await (await get('/metrics')).text();
      return text.includes('worker="worker-a"') && !text.includes('worker="worker-b"');
    });
    const ended = await jobWhen('the end', ({ state }) => state === 'succeeded');
    expect(ended.progress!.step).toBe(STEPS);
    const { series } = await getJson<Series>(`/metrics?series=loss,learningRate&points=${STEPS}`);
    expect(series.map(({ name }) => name)).toEqual(['loss', 'learningRate']);
    const steps = series[0]!.points.map(([step]) => step);
    expect(steps).toEqual([...new Set(steps)].sort((a, b) => a - b));
    expect(steps.at(-1)).toBe(STEPS);
    expect(steps.length).toBeGreaterThan(STEPS - 5);
    expect(series[0]!.points.at(-1)![2]).toBe(ended.progress!.metrics['loss']!);
    // Under their former names as well, over HTTP and gRPC.
    const { metrics, firstMetrics } = ended.progress!;
    const former = { loss: metrics['loss'], lossFirst: firstMetrics['loss'], gradNorm: metrics['gradNorm'] };
    expect(Object.keys(metrics)).toEqual(['loss', 'learningRate', 'gradNorm']);
    expect(ended.progress).toMatchObject({ ...former, lr: metrics['learningRate'] });
    const resource = await (await get(`/api/v1/jobs/${job.id}`)).json();
    expect(resource).toMatchObject({ progress: { ...former, learningRate: metrics['learningRate'], metrics, firstMetrics } });
    const unknown = await get(`/api/v1/jobs/${job.id}/metrics?series=loss,psnr`);
    expect([unknown.status, ((await unknown.json()) as { detail: string }).detail]).toEqual([
      404,
      'series: the job has no series psnr, expected some of loss, learningRate, gradNorm, imagesPerSecond, stepSeconds, with commas between them',
    ]);
    const few = (await getJson<Series>('/metrics?series=loss&points=20&from=100')).series[0]!.points;
    expect(few.length).toBeLessThanOrEqual(20);
    expect([few[0]![0], few.at(-1)![0]]).toEqual([100, STEPS]);
  },
  TIMEOUT_MS,
);

test(
  'checkpoints are drawn as they come, with errors that fall',
  async () => {
    interface Pictures {
      readonly items: readonly {
        readonly step: number;
        readonly maskedError: number;
        readonly meanFillError: number;
        readonly imageUrl: string;
      }[];
    }
    const { items } = await eventually('the last picture', async () => {
      const found = await getJson<Pictures>('/reconstructions');
      return found.items[0]?.step === STEPS && found;
    });
    expect(items.length).toBeGreaterThan(1);
    expect(items[0]!.maskedError).toBeLessThan(items.at(-1)!.maskedError);
    expect(new Set(items.map(({ meanFillError }) => meanFillError)).size).toBe(1);
    const picture = await get(items[0]!.imageUrl);
    expect(picture.headers.get('content-type')).toBe('image/png');
    expect(
      Buffer.from(await picture.arrayBuffer())
        .subarray(0, 4)
        .toString('latin1'),
    ).toBe('\x89PNG');
    expect((await jobWhen('word of it', ({ reconstructedStep }) => reconstructedStep === STEPS)).state).toBe('succeeded');
    expect((await get(`/api/v1/jobs/${job.id}/reconstructions/7.png`)).status).toBe(404);
    expect((await get(`/api/v1/jobs/${job.id}/reconstructions/..%2f..%2f7.png`)).status).toBe(400);
  },
  TIMEOUT_MS,
);

test('curves are given out as CSV, JSON lines and TensorBoard events', async () => {
  const exported = async (format: string) => {
    const response = await get(`/api/v1/jobs/${job.id}/metrics/export?format=${format}`);
    expect(response.status).toBe(200);
    return Buffer.from(await response.arrayBuffer());
  };
  const rows = (await exported('csv')).toString().trimEnd().split('\n').length - 1;
  expect(rows).toBeGreaterThan(STEPS - 5);
  expect((await exported('jsonl')).toString().trimEnd().split('\n')).toHaveLength(rows);
  expect((await exported('tensorboard')).subarray(12, 48).toString('latin1')).toContain('brain.Event:2');
  const { code, stderr } = await runCli(
    ['--coordinator', cluster.coordinator, 'metrics', job.id, '--format', 'tensorboard', '--out', join(dir, 'runs')],
    dir,
  );
  expect([code, stderr]).toEqual([0, expect.stringContaining('tensorboard --logdir')]);
  const written = await readFile(join(dir, 'runs', job.id, `events.out.tfevents.${job.id}`));
  expect(written.equals(await exported('tensorboard'))).toBe(true);
  expect((await get(`/api/v1/jobs/${job.id}/metrics/export?format=xml`)).status).toBe(400);
  expect((await get(`/api/v1/jobs/${job.id}/metrics?series=constructor`)).status).toBe(404);
});

const withPromtool = PROMTOOL === undefined ? test.skip : test;
withPromtool(
  'promtool has nothing to say of the ' +
    `page${PROMTOOL === undefined ? ' (skipped: no promtool on PATH, and PROMTOOL names none; it comes with Prometheus)' : ''}`,
  async () => {
    expect(checkMetrics(await (await get('/metrics')).text())).toBe('');
  },
);
