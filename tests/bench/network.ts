import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type LinkShape, networkLacks, recordJob, shapeLink, startCluster } from '@maestro/cli';
import { connectJobClient, type JobClient } from '@maestro/client';
import { planReduce, type ReducePlan } from '@maestro/collective';
import { maeConfig, parameterSpecs } from '@maestro/mae';
import { isTerminal, type Job, type JobSpec, parseJobSpec } from '@maestro/protocol';
import { stepSeconds } from './exchangeModel.ts';
import { writeImages } from './images.ts';
import { tinyJob } from './tinyJob.ts';

const WORKERS = ['worker-a', 'worker-b', 'worker-c'];
const REPLICAS = 4;
const INNER_STEPS = 8;
const MBITS = [undefined, 1000, 100, 20];
const DELAYS_MS = [0, 10, 50];
/** A cell is measured over so long and so many steps (rounds of replicas) at least, after so many. */
const LEAST_MS = 5000;
const LEAST_STEPS = 3;
const WARM_UP = 2;
const PATIENCE_MS = 240_000;
/** Gradients are cut at multiples of this: see `SUM_SQUARES_BLOCK`. */
const BLOCK = 65_536;

interface Mode {
  readonly name: string;
  readonly sync: object;
  /** Steps between two exchanges of parameters, where replicas train apart. */
  readonly innerSteps?: number;
}

const MODES: readonly Mode[] = [
  { name: 'allReduce', sync: { mode: 'allReduce' } },
  { name: 'diloco', sync: { mode: 'diloco', replicas: REPLICAS, innerSteps: INNER_STEPS }, innerSteps: INNER_STEPS },
];

/**
 * Step time against bandwidth and delay: jobs of the tiny preset on three hosts of network namespaces, one job for each shape of their links and
 * mode of `sync`, so that no connection remembers another shape; beside each measurement what `exchangeModel.ts` computes for it.
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
  // Full queues of narrow links hold heartbeats up, and nobody is to leave.
  const env = { MAESTRO_FAILURE_TIMEOUT_MS: '30000', MAESTRO_RECONSTRUCTION_SECONDS: '0' };
  const cluster = await startCluster({ workers: WORKERS.length, dataDir, networkNamespaces: true, env });
  const client = connectJobClient(cluster.coordinator);
  try {
    let computeSeconds: number | undefined;
    for (const delayMs of DELAYS_MS) {
      for (const mbit of MBITS) {
        const shape: LinkShape = { delayMs, ...(mbit !== undefined && { kilobits: 1000 * mbit }) };
        const heals = await Promise.all(WORKERS.map((name) => shapeLink(cluster.network!, name, shape)));
        const { seconds, plan } = await measure(client, cluster.coordinator, path, mode);
        for (const heal of heals) await heal();
        computeSeconds ??= seconds;
        const bytesPerSecond = mbit === undefined ? Number.POSITIVE_INFINITY : mbit * 125_000;
        const model = stepSeconds(plan, { bytesPerSecond, delaySeconds: delayMs / 1000 }, { ...mode, computeSeconds });
        const error = (100 * (model - seconds)) / seconds;
        process.stdout.write(
          `network ${mode.name}, ${mbit ?? 'unlimited'} Mbit/s, ${delayMs} ms: ${seconds.toFixed(2)} s a step, ` +
            `model ${model.toFixed(2)} s (${error >= 0 ? '+' : ''}${error.toFixed(0)} %)\n`,
        );
      }
    }
  } finally {
    client.close();
    await cluster.stop();
  }
}

/** Seconds of a step of a new job, of replicas over whole rounds, and the plan that its members exchange by. */
async function measure(
  client: JobClient,
  coordinator: string,
  path: string,
  mode: Mode,
): Promise<{ readonly seconds: number; readonly plan: ReducePlan }> {
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
  await client.cancelJob(id);
  await record.until('its end', ({ state }) => isTerminal(state), { timeoutMs: PATIENCE_MS });
  await record.close();
  return { seconds, plan: planOf(begun.members, parseJobSpec(spec), mode) };
}

/** The plan that the job's members exchange by: of ranks, or of the replicas that they make up. */
function planOf(members: Job['members'], { model, resources }: JobSpec, { innerSteps }: Mode): ReducePlan {
  const length = parameterSpecs(maeConfig(model)).reduce((sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1), 0);
  const ranksEach = innerSteps === undefined ? 1 : resources.virtualRanks / REPLICAS;
  const shares = members.map(({ name, firstRank, ranks }) => ({ id: name, firstRank: firstRank / ranksEach, ranks: ranks / ranksEach }));
  return planReduce({ members: shares, length, blockSize: BLOCK });
}

const stepOf = ({ progress }: Job): number => progress?.step ?? 0;
