import { createHash } from 'node:crypto';
import { parentPort, workerData } from 'node:worker_threads';
import { errorMessage, isMaestroError, type ProgressMemory, tellProgress } from '@maestro/protocol';
import { drawParameters, type PlanSource, planInThread } from '@maestro/recipes';
import { flatLayout } from '@maestro/tensors';
import type { InitialiseReply } from './initialise.ts';

const {
  plan: source,
  memory,
  progress: told,
} = workerData as {
  readonly plan: PlanSource;
  readonly memory: SharedArrayBuffer;
  /** Of the tensors of the layout. */
  readonly progress: ProgressMemory;
};
const progress = tellProgress(told);

async function draw(): Promise<InitialiseReply> {
  const plan = await planInThread(source);
  drawParameters(plan, flatLayout(plan.parameters), source.spec.seed, new Float32Array(memory), progress.begin);
  progress.end();
  parentPort!.postMessage({ isDrawn: true } satisfies InitialiseReply);
  return { hash: createHash('sha256').update(new Uint8Array(memory)).digest('hex') };
}

// A thread's error would reach the main thread without its code.
parentPort!.postMessage(
  await draw().catch(
    (error: unknown): InitialiseReply => ({
      code: isMaestroError(error) ? error.code : 'internal',
      message: errorMessage(error),
    }),
  ),
);
