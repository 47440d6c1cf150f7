import { describe, expect, test } from '@jest/globals';
import { exportName, type Job, recipeInfos, whyNoSeries } from '@maestro/protocol';
import { openCoordinatorMetrics } from './coordinatorMetrics.ts';

const worker = (name: string, jobId = '') => ({
  name,
  id: `${name}:1`,
  address: '',
  device: 'cpu',
  threads: 1,
  pid: 1,
  host: '',
  jobId,
  isDrained: false,
  operators: 0,
  kernels: '',
});
const job = (name: string, loss: number): Job =>
  ({
    id: `job-${loss}`,
    name,
    state: 'running',
    generation: 3,
    members: [],
    progress: { metrics: { loss, learningRate: 1, gradNorm: 1 }, imagesPerSecond: 9, step: 4, totalSteps: 8 },
  }) as unknown as Job;
const gauges = (of: Job, workers = 8) => ({ job: of, unwrittenSteps: 0, goodput: undefined, wants: { device: 'cpu', workers } });
const families = JSON.stringify([{ name: 'maestro_images_total', help: 'x', type: 'counter', values: [{ labels: {}, value: 5 }] }]);

describe('coordinator metrics', () => {
  test('show those of workers by name, until they are gone', async () => {
    const metrics = openCoordinatorMetrics();
    metrics.worker('a:1', 'a', families);
    metrics.worker('b:1', 'b', families);
    metrics.worker('c:1', 'c', 'nonsense');
    const state = { jobs: [], workers: [worker('a'), worker('b', 'job')] };
    const before = await metrics.print(state);
    expect(before).toContain('maestro_images_total{worker="a"} 5\nmaestro_images_total{worker="b"} 5\n');
    expect(before).toContain('maestro_workers{state="busy"} 1\nmaestro_workers{state="free"} 1\n');
    metrics.forget('a:1');
    expect(await metrics.print(state)).not.toContain('worker="a"');
    metrics.close();
  });

  test('show jobs by name, two of one name apart, and never an id or a step as a label', async () => {
    const metrics = openCoordinatorMetrics();
    metrics.committed({ images: 64, stepSeconds: 0.2 });
    metrics.recovery('hold', 1);
    const text = await metrics.print({ jobs: [gauges(job('one', 0.5)), gauges(job('one', 0.25))], workers: [] });
    expect(text).toContain('maestro_loss{job="one"} 0.5\nmaestro_loss{job="one (2)"} 0.25\n');
    expect(text).toContain('maestro_samples_committed_total 64\n');
    const labels = new Set([...text.matchAll(/[{,]([a-z_]+)="/g)].map(([, name]) => name));
    expect([...labels].sort()).toEqual(['device', 'job', 'le', 'phase', 'state']);
    metrics.close();
  });

  test('have a family for each metric of a recipe, without a value for a job that lacks it; none can be taken twice', async () => {
    const metrics = openCoordinatorMetrics();
    const measuring = { ...job('measuring', 7), progress: { ...job('', 7).progress!, metrics: {} } };
    const text = await metrics.print({ jobs: [gauges(job('training', 0.5)), gauges(measuring)], workers: [] });
    metrics.close();
    expect(text.split('\n').filter((line) => /^maestro_(loss|learning_rate|gradient_norm)/.test(line))).toEqual([
      'maestro_loss{job="training"} 0.5',
      'maestro_learning_rate{job="training"} 1',
      'maestro_gradient_norm{job="training"} 1',
    ]);
    const told = recipeInfos().flatMap(({ series }) => series.map(exportName));
    const others = [...text.matchAll(/^# TYPE maestro_([a-z0-9_]+) /gm)].map(([, name]) => name!).filter((name) => !told.includes(name));
    expect(others.length).toBeGreaterThan(15);
    const free = others.filter((name) => whyNoSeries([{ name: 'own', label: 'Own', unit: 'number', exportName: name }]) === undefined);
    expect(free).toEqual([]);
  });

  test('tell how many workers the jobs that wait or run could use, and none for a job that a person has paused', async () => {
    const metrics = openCoordinatorMetrics();
    const jobs = [
      gauges(job('one', 0.5), 8),
      gauges({ ...job('two', 0.25), state: 'queued' }, 4),
      gauges({ ...job('three', 0.1), state: 'paused' }),
    ];
    const text = await metrics.print({ jobs, workers: [] });
    expect(text).toContain('maestro_workers_wanted{device="cpu"} 12\nmaestro_workers_wanted{device="cuda"} 0\n');
    metrics.close();
  });
});
