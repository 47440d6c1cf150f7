import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startCluster } from '@maestro/cli';
import { connectJobClient } from '@maestro/client';
import { isTerminal, STEP_PHASES, type StepPhase } from '@maestro/protocol';
import { writeImages } from '../data/images.ts';
import type { PartOptions } from './partOptions.ts';
import { medianOf, type Ratio } from './ratios.ts';

const WORKERS = 2;
const STEPS = 16;
/** Steps that do not count: memory is taken, code is compiled. */
const WARM_UP_STEPS = 3;
/** Phases of a step that are neither computing nor waiting for a worker that computes longer. */
const EXPOSED: readonly StepPhase[] = ['reduceScatter', 'allGather', 'other'];

/** A worker's steps, as `GET /api/v1/jobs/ID/timeline` gives them. */
interface Timeline {
  readonly workers: readonly {
    readonly name: string;
    readonly steps: readonly { readonly step: number; readonly durations: Readonly<Record<StepPhase, number>> }[];
  }[];
}

/**
 * Measures the share of a training step in which a worker neither computes nor waits for a slower peer: a real job of ViT-B, batch 4, on two
 * workers of this machine, by the timeline that the coordinator keeps of each worker's steps.
 */
export async function exposedCommunication({ log }: PartOptions): Promise<Ratio> {
  const dir = await mkdtemp(join(tmpdir(), 'maestro-bench-exposed-'));
  try {
    const path = join(dir, 'images');
    await writeImages(path, { count: 64, size: 256 });
    const { workers } = await timelineOf(path, join(dir, 'data'));
    const steps = workers.flatMap((worker) => worker.steps.filter(({ step }) => step > WARM_UP_STEPS).map(({ durations }) => durations));
    const sum = (durations: Readonly<Record<StepPhase, number>>, phases: readonly StepPhase[]): number =>
      phases.reduce((total, phase) => total + durations[phase], 0);
    const phases = STEP_PHASES.map((phase) => `${phase} ${(1000 * medianOf(steps.map((each) => each[phase]))).toFixed(0)}`);
    log(`exposedCommunication.vitB.${WORKERS}w: medians of ${steps.length} steps in ms: ${phases.join(', ')}`);
    return {
      ratio: medianOf(steps.map((each) => sum(each, EXPOSED) / sum(each, STEP_PHASES))),
      pairs: steps.length,
      note: `${(1000 * medianOf(steps.map((each) => sum(each, EXPOSED)))).toFixed(0)} of ${(1000 * medianOf(steps.map((each) => sum(each, STEP_PHASES)))).toFixed(0)} ms`,
    };
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function timelineOf(path: string, dataDir: string): Promise<Timeline> {
  const cluster = await startCluster({ workers: WORKERS, dataDir });
  const client = connectJobClient(cluster.coordinator);
  try {
    const { id } = await client.submitJob({
      spec: {
        model: { preset: 'mae_vit_base_patch16' },
        data: { format: 'image-folder', path },
        schedule: { steps: STEPS, microBatch: 4 },
        resources: { virtualRanks: WORKERS, minWorkers: WORKERS },
        checkpoint: { everySteps: 1_000_000 },
      },
    });
    for await (const { state, message } of client.watchJob(id)) {
      if (isTerminal(state) && state !== 'succeeded') throw new Error(`exposedCommunication: the job ${state}: ${message}`);
    }
    const answer = await fetch(`http://${cluster.http}/api/v1/jobs/${id}/timeline?steps=${STEPS}`);
    if (!answer.ok) throw new Error(`exposedCommunication: timeline: HTTP status ${answer.status}`);
    return (await answer.json()) as Timeline;
  } finally {
    client.close();
    await cluster.stop();
  }
}
