import { join } from 'node:path';
import type { Device } from '@maestro/protocol';
import type { Place } from '../network/hostNetwork.ts';
import type { Environment } from './keptProcess.ts';
import type { NodeProgram } from './launchNode.ts';

/** Settings common to all workers of a local cluster. */
export interface WorkerSetup {
  /** host:port of the coordinator. */
  readonly coordinator: string;
  readonly redisUrl: string;
  readonly dataDir: string;
  readonly device: Device;
  readonly threads: number;
}

/** Returns the worker program with its variables, to run at its place; `env` is added last. */
export function workerProgram(
  name: string,
  { coordinator, redisUrl, dataDir, device, threads }: WorkerSetup,
  { address, enter }: Place,
  env: Environment,
): NodeProgram {
  return {
    name,
    entry: 'worker/dist/main.js',
    hides: ['MAESTRO_TOKENS', 'REDIS_URL'],
    env: {
      MAESTRO_COORDINATOR: coordinator,
      MAESTRO_REDIS_URL: redisUrl,
      MAESTRO_DATA_DIR: dataDir,
      MAESTRO_WORKER_NAME: name,
      MAESTRO_DEVICE: device,
      MAESTRO_THREADS: String(threads),
      MAESTRO_COLLECTIVE_LISTEN: `${address}:0`,
      ...trustedNetwork(address),
      ...env,
    },
    enter,
    logFile: logFile(dataDir, name),
  };
}

/** Marks network namespaces of this machine as trusted, like loopback. */
export function trustedNetwork(address: string): Environment {
  return address.startsWith('127.') ? {} : { MAESTRO_TRUSTED_NETWORK: `${address}/24` };
}

/** Returns the log file of a process of a local cluster. */
export function logFile(dataDir: string, name: string): string {
  return join(dataDir, 'logs', `${name}.log`);
}

/** Returns the first free name of worker-a, worker-b, ..., worker-z, worker-a1, ... */
export function freeWorkerName(taken: ReadonlySet<string>): string {
  for (let i = 0; ; i++) {
    const name = `worker-${String.fromCharCode(97 + (i % 26))}${i < 26 ? '' : Math.floor(i / 26)}`;
    if (!taken.has(name)) return name;
  }
}
