import { randomUUID } from 'node:crypto';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Device, identifyProcess, isRunning, type ProcessIdentity, readEnvironment } from '@maestro/protocol';
import type { ClusterProcess } from '../cluster/cluster.ts';
import type { NetworkId } from '../network/networkNames.ts';
import type { NetworkLacks } from '../network/networkSupport.ts';

/** File of `maestro up` in its data folder, by which other commands find the cluster. `pid` and `started` identify its process. */
export interface ClusterFile extends ProcessIdentity {
  readonly coordinator: string;
  /** host:port of its HTTP: API and dashboard. */
  readonly http: string;
  readonly redisUrl: string;
  readonly device: Device;
  /** Threads per worker. */
  readonly threads: number;
  /** Network of its namespaces, and what the machine lacks for faults in it. */
  readonly network?: NetworkId & { readonly lacks: NetworkLacks };
  /** Processes running now: kept up to date while processes end and start. */
  readonly processes: readonly (ClusterProcess & ProcessIdentity)[];
}

/** Default listen address of a coordinator. */
export const DEFAULT_COORDINATOR = '127.0.0.1:7070';

/** Default data folder, below the working folder. */
export const DEFAULT_DATA_DIR = '.maestro';

const clusterFile = (dataDir: string): string => join(dataDir, 'cluster.json');

/**
 * Reads the file of a running cluster. `undefined` when there is none, and when the file was left by a cluster that did not end properly:
 * its processes end with that of `maestro up`, and their ids may be reused by now.
 */
export async function readClusterFile(dataDir: string): Promise<ClusterFile | undefined> {
  try {
    const file = JSON.parse(await readFile(clusterFile(dataDir), 'utf8')) as ClusterFile;
    return isRunning(file) ? file : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Records a cluster run by this process. Readers see the old file or the new one, never a part; only the owner can read it, since a URL may
 * hold a password.
 */
export async function writeClusterFile(dataDir: string, cluster: Omit<ClusterFile, 'pid' | 'started'>): Promise<void> {
  const processes = cluster.processes.map((each) => (each.isRunning ? { ...each, ...identifyProcess(each.pid) } : each));
  const aside = `${clusterFile(dataDir)}.${randomUUID()}`;
  try {
    await writeFile(aside, `${JSON.stringify({ ...identifyProcess(), ...cluster, processes }, null, 2)}\n`, { mode: 0o600, flag: 'wx' });
    await rename(aside, clusterFile(dataDir));
  } catch (error) {
    await rm(aside, { force: true });
    throw error;
  }
}

/** Removes the file of a cluster that has ended. */
export async function removeClusterFile(dataDir: string): Promise<void> {
  await rm(clusterFile(dataDir), { force: true });
}

/**
 * Returns the coordinator's address: the flag, or MAESTRO_COORDINATOR, or the cluster that `maestro up` started here, or the default port.
 */
export async function coordinatorAddress({
  flag,
  dataDir,
}: {
  readonly flag?: string | undefined;
  readonly dataDir: string;
}): Promise<string> {
  return flag ?? readEnvironment()['MAESTRO_COORDINATOR'] ?? (await readClusterFile(dataDir))?.coordinator ?? DEFAULT_COORDINATOR;
}
