import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { CASES } from '../hashes/cases.ts';
import { runCli } from '../support/cluster/runCli.ts';
import { hashOf, openTestCluster, type TestCluster } from '../support/cluster/testCluster.ts';

const TIMEOUT_MS = 120_000;

let shared: TestCluster;

beforeAll(async () => {
  shared = await openTestCluster({ name: 'kinds' });
}, TIMEOUT_MS);

afterAll(() => shared?.stop(), TIMEOUT_MS);

// The slow files harm each of these in many ways; this is what every change is tried with.
test.each(CASES.filter(({ measures }) => measures !== true))(
  'each way to train leaves the same bits on one and on three workers, and a clean audit: $name',
  async ({ spec, steps }) => {
    const submit = (workers: number) =>
      shared.client.submitJob({
        spec: { ...spec(shared.path), resources: { virtualRanks: 8, minWorkers: workers, maxWorkers: workers } },
      });
    const hash = hashOf(await shared.watch(await submit(1)), steps);
    expect(hash).toMatch(/^[0-9a-f]{64}$/);
    await shared.expectExact(await submit(3), { hash, steps });
  },
  TIMEOUT_MS,
);

test(
  'a k-NN job measures what was trained, and takes every sample once',
  async () => {
    const { spec, steps } = CASES.find(({ measures }) => measures === true)!;
    const trained = await shared.watch(await shared.client.submitJob({ spec: spec(shared.path) }));
    hashOf(trained, steps);
    const knn = { recipe: 'knn', data: { format: 'idx', path: shared.path }, checkpoint: { resumeFrom: trained.checkpoints.at(-1)!.path } };
    const { id, state, results } = await shared.watch(await shared.client.submitJob({ spec: knn }));
    expect([state, results]).toEqual(['succeeded', expect.objectContaining({ trainSamples: 300, testSamples: 300, classes: 4 })]);
    expect(results!['knnAccuracy']).toBeGreaterThan(0.3);
    expect(await shared.client.auditJob(id)).toMatchObject({ isClean: true, missing: 0, duplicates: 0 });
    const cli = (...args: string[]) => runCli(['--coordinator', shared.cluster.coordinator, ...args], shared.path);
    const percent = (100 * results!['knnAccuracy']!).toFixed(2);
    const [described, ...without] = await Promise.all([cli('describe', id), cli('checkpoint', 'ls', id), cli('checkpoint', 'export', id)]);
    expect(described!.stdout).toContain(
      `Results:    k-NN accuracy ${percent} % (300 test samples), Training samples 300 (4 classes), Checkpoint of step ${steps}\n`,
    );
    const { resumeFrom } = knn.checkpoint;
    const line = `maestro: job ${id} has no checkpoints: recipe knn measures one, ${resumeFrom}, and writes none; name that\n`;
    expect(without.map(({ code, stderr }) => [code, stderr])).toEqual([
      [1, line],
      [1, line],
    ]);
  },
  TIMEOUT_MS,
);
