import { randomUUID } from 'node:crypto';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Device, identifyProcess, isRunning, type ProcessIdentity, readEnvironment } from '@maestro/protocol';
import type { ClusterProcess } from '../cluster/cluster.ts';
import type { NetworkId } from '../network/networkNames.ts';
import type { NetworkLacks } from '../network/networkSupport.ts';

/** What `maestro up` leaves in its data folder, so that other commands find the cluster. `pid` and `started` are of its process. */
export interface ClusterFile extends ProcessIdentity {
  readonly coordinator: string;
  /** host:port of its HTTP: API and dashboard. */
  readonly http: string;
  readonly redisUrl: string;
  readonly device: Device;
  /** Threads per worker. */
  readonly threads: number;
  /** Where its processes are in network namespaces, and what the machine lacks for harm to that network. */
  readonly network?: NetworkId & { readonly lacks: NetworkLacks };
  /** Those that run now: kept up to date while processes end and start. */
  readonly processes: readonly (ClusterProcess & ProcessIdentity)[];
}

/** The address that a coordinator listens on by default. */
export const DEFAULT_COORDINATOR = '127.0.0.1:7070';

/** Where data is kept by default, below the folder one works in. */
export const DEFAULT_DATA_DIR = '.maestro';

const clusterFile = (dataDir: string): string => join(dataDir, 'cluster.json');

/**
 * Reads the file of a running cluster. `undefined` when there is none, and when the file is one that a cluster left behind which did not
 * end in good order: its processes end with that of `maestro up`, and their ids may be others' by now.
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
 * Records a cluster that this process runs. Readers see the old file or the new one, never a part; it is the owner's alone, since a URL may
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

/** Forgets a cluster that has ended. */
export async function removeClusterFile(dataDir: string): Promise<void> {
  await rm(clusterFile(dataDir), { force: true });
}

/**
 * The coordinator to talk to: the flag, else MAESTRO_COORDINATOR, else the cluster that `maestro up` started here, else the default port.
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
