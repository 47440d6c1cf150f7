import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Cluster, type LinkShape, networkLacks, recordJob, shapeLink, startCluster } from '@maestro/cli';
import { connectJobClient, type JobClient } from '@maestro/client';
import { planReduce, type ReducePlan } from '@maestro/collective';
import { maeConfig, parameterSpecs } from '@maestro/mae';
import { isTerminal, type Job, type JobSpec, parseJobSpec, timelineSchema } from '@maestro/protocol';
import { tinyJob } from '../cluster/tinyJob.ts';
import { writeImages } from '../data/images.ts';
import { stepSeconds } from './exchangeModel.ts';

const WORKERS = ['worker-a', 'worker-b', 'worker-c'];
const REPLICAS = 4;
const INNER_STEPS = 8;
const MBITS = [undefined, 1000, 100, 20];
const DELAYS_MS = [0, 10, 50];
/** Minimum time and steps (rounds of replicas) over which a cell is measured, and the warm-up before. */
const LEAST_MS = 5000;
const LEAST_STEPS = 3;
const WARM_UP = 2;
const PATIENCE_MS = 240_000;
/** Maximum of the API. */
const MOST_TIMELINE_STEPS = 256;
/** Gradients are cut at multiples of this: see `SUM_SQUARES_BLOCK`. */
const BLOCK = 65_536;

interface Mode {
  readonly name: string;
  readonly sync: object;
  /** Steps between two exchanges of parameters, when replicas train apart. */
  readonly innerSteps?: number;
}

const MODES: readonly Mode[] = [
  { name: 'allReduce', sync: { mode: 'allReduce' } },
  { name: 'diloco', sync: { mode: 'diloco', replicas: REPLICAS, innerSteps: INNER_STEPS }, innerSteps: INNER_STEPS },
];

/**
 * Measures step time against bandwidth and delay: jobs of the tiny preset on three hosts of network namespaces, one job for each link shape
 * and mode of `sync`, so that no connection remembers another shape; next to each measurement, the prediction of `exchangeModel.ts`.
 * `MAESTRO_BENCH_MODE` picks one of the modes.
 */
export async function benchNetwork(): Promise<void> {
  const lacks = await networkLacks();
  const lack = lacks.namespaces ?? lacks.delay ?? lacks.throttle;
  if (lack !== undefined) {
    process.stdout.write(`network: not measured, ${lack}\n`);
    return;
  }
  const dir = await mkdtemp(join(tmpdir(), 'maestro-network-'));
  const path = join(dir, 'images');
  try {
    await writeImages(path, { count: 512, size: 32 });
    const asked = process.env['MAESTRO_BENCH_MODE'];
    for (const mode of MODES.filter(({ name }) => asked === undefined || asked === name)) await benchMode(mode, path, join(dir, mode.name));
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function benchMode(mode: Mode, path: string, dataDir: string): Promise<void> {
  // Full queues of narrow links delay heartbeats, and nobody should be evicted.
  const env = { MAESTRO_FAILURE_TIMEOUT_MS: '30000', MAESTRO_RECONSTRUCTION_SECONDS: '0' };
  const cluster = await startCluster({ workers: WORKERS.length, dataDir, networkNamespaces: true, env });
  const client = connectJobClient(cluster.coordinator);
  const control = (await readFile('/proc/sys/net/ipv4/tcp_congestion_control', 'utf8')).trim();
  try {
    for (const delayMs of DELAYS_MS) {
      for (const mbit of MBITS) {
        const shape: LinkShape = { delayMs, ...(mbit !== undefined && { kilobits: 1000 * mbit }) };
        const heals = await Promise.all(WORKERS.map((name) => shapeLink(cluster.network!, name, shape)));
        const { seconds, computeSeconds, plan } = await measure(client, cluster, path, mode);
        for (const heal of heals) await heal();
        const bytesPerSecond = mbit === undefined ? Number.POSITIVE_INFINITY : mbit * 125_000;
        const model = stepSeconds(
          plan,
          { bytesPerSecond, delaySeconds: delayMs / 1000, startsSlowly: control !== 'bbr' },
          { ...mode, computeSeconds },
        );
        const error = (100 * (model - seconds)) / seconds;
        process.stdout.write(
          `network (${control}) ${mode.name}, ${mbit ?? 'unlimited'} Mbit/s, ${delayMs} ms: ${seconds.toFixed(2)} s a step, ` +
            `${computeSeconds.toFixed(2)} s of it computing, ` +
            `model ${model.toFixed(2)} s (${error >= 0 ? '+' : ''}${error.toFixed(0)} %)\n`,
        );
      }
    }
  } finally {
    client.close();
    await cluster.stop();
  }
}

interface Measured {
  /** Per step; for replicas over whole rounds. */
  readonly seconds: number;
  /** Time of the member with the longest compute time in each step. */
  readonly computeSeconds: number;
  /** Plan by which its members exchange. */
  readonly plan: ReducePlan;
}

/** Measures a new job of the mode. */
async function measure(client: JobClient, { coordinator, http }: Cluster, path: string, mode: Mode): Promise<Measured> {
  const { innerSteps = 1 } = mode;
  const spec = { ...tinyJob({ path, steps: 1_000_000, maxWorkers: WORKERS.length }), sync: mode.sync };
  const resources = { ...spec.resources, minWorkers: WORKERS.length };
  const { id } = await client.submitJob({ spec: { ...spec, resources } });
  const record = recordJob(coordinator, id);
  const first = WARM_UP * innerSteps;
  const begun = await record.until('the first steps', (job) => stepOf(job) >= first && stepOf(job) % innerSteps === 0, {
    timeoutMs: PATIENCE_MS,
  });
  const startMs = performance.now();
  const atEnd = (job: Job): boolean => {
    const done = stepOf(job) - stepOf(begun);
    return done >= LEAST_STEPS && done % innerSteps === 0 && performance.now() - startMs >= LEAST_MS;
  };
  const ended = await record.until('enough steps', atEnd, { timeoutMs: PATIENCE_MS });
  const seconds = (performance.now() - startMs) / 1000 / (stepOf(ended) - stepOf(begun));
  const computeSeconds = await computing(http, id, stepOf(ended) - stepOf(begun));
  await client.cancelJob(id);
  await record.until('its end', ({ state }) => isTerminal(state), { timeoutMs: PATIENCE_MS });
  await record.close();
  return { seconds, computeSeconds, plan: planOf(begun.members, parseJobSpec(spec), mode) };
}

/**
 * Returns the mean seconds for which the slowest member of each of the last steps was at work, by its own clock: everything but the
 * exchange and waiting for it.
 */
async function computing(http: string, id: string, steps: number): Promise<number> {
  const answer = await fetch(`http://${http}/api/v1/jobs/${id}/timeline?steps=${Math.min(steps, MOST_TIMELINE_STEPS)}`);
  const { workers } = timelineSchema.parse(await answer.json());
  const slowest = new Map<number, number>();
  for (const { step, durations } of workers.flatMap((worker) => worker.steps)) {
    const { data, forward, apply, other } = durations;
    slowest.set(step, Math.max(slowest.get(step) ?? 0, data + forward + apply + other));
  }
  return [...slowest.values()].reduce((sum, seconds) => sum + seconds, 0) / slowest.size;
}

/** Returns the plan by which the job's members exchange: of ranks, or of the replicas that they form. */
function planOf(members: Job['members'], { model, resources }: JobSpec, { innerSteps }: Mode): ReducePlan {
  const length = parameterSpecs(maeConfig(model)).reduce((sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1), 0);
  const ranksEach = innerSteps === undefined ? 1 : resources.virtualRanks / REPLICAS;
  const shares = members.map(({ name, firstRank, ranks }) => ({ id: name, firstRank: firstRank / ranksEach, ranks: ranks / ranksEach }));
  return planReduce({ members: shares, length, blockSize: BLOCK });
}

const stepOf = ({ progress }: Job): number => progress?.step ?? 0;
