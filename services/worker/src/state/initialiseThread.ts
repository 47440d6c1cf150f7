import { createHash } from 'node:crypto';
import { parentPort, workerData } from 'node:worker_threads';
import { flatLayout, initParameters, type MaeConfig, parameterSpecs } from '@maestro/mae';

const { config, seed, memory } = workerData as { readonly config: MaeConfig; readonly seed: number; readonly memory: SharedArrayBuffer };
const parameters = initParameters(config, flatLayout(parameterSpecs(config)), seed, new Float32Array(memory));
parentPort!.postMessage(createHash('sha256').update(new Uint8Array(parameters.buffer)).digest('hex'));
