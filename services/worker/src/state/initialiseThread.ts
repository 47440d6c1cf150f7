import { createHash } from 'node:crypto';
import { parentPort, workerData } from 'node:worker_threads';
import { drawParameters, type PlanSource, planInThread } from '@maestro/recipes';
import { flatLayout } from '@maestro/tensors';

const { plan: source, memory } = workerData as { readonly plan: PlanSource; readonly memory: SharedArrayBuffer };
const plan = await planInThread(source);
const parameters = drawParameters(plan, flatLayout(plan.parameters), source.spec.seed, new Float32Array(memory));
parentPort!.postMessage(createHash('sha256').update(new Uint8Array(parameters.buffer)).digest('hex'));
