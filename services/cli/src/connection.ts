import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** What `maestro up` leaves in its data folder, so that other commands find the cluster. */
export interface ClusterFile {
  readonly coordinator: string;
  readonly redisUrl: string;
  /** The process of `maestro up`. */
  readonly pid: number;
}

/** The address that a coordinator listens on by default. */
export const DEFAULT_COORDINATOR = '127.0.0.1:7070';

/** Where data is kept by default, below the folder one works in. */
export const DEFAULT_DATA_DIR = '.maestro';

const clusterFile = (dataDir: string): string => join(dataDir, 'cluster.json');

/** Reads the file of a running cluster; `undefined` when there is none. */
export async function readClusterFile(dataDir: string): Promise<ClusterFile | undefined> {
  try {
    return JSON.parse(await readFile(clusterFile(dataDir), 'utf8')) as ClusterFile;
  } catch {
    return undefined;
  }
}

/** Records a running cluster. */
export async function writeClusterFile(dataDir: string, cluster: ClusterFile): Promise<void> {
  await writeFile(clusterFile(dataDir), `${JSON.stringify(cluster, null, 2)}\n`);
}

/** Forgets a cluster that has ended. */
export async function removeClusterFile(dataDir: string): Promise<void> {
  await rm(clusterFile(dataDir), { force: true });
}

/** The coordinator to talk to: the flag, else MAESTRO_COORDINATOR, else the cluster that `maestro up` started here, else the default port. */
export async function coordinatorAddress({
  flag,
  dataDir,
}: {
  readonly flag?: string | undefined;
  readonly dataDir: string;
}): Promise<string> {
  return flag ?? process.env['MAESTRO_COORDINATOR'] ?? (await readClusterFile(dataDir))?.coordinator ?? DEFAULT_COORDINATOR;
}

/** The folder of a job's checkpoints; a path is taken as it stands. */
export function checkpointRoot(dataDir: string, job: string): string {
  return job.startsWith('job-') ? join(dataDir, 'jobs', job, 'checkpoints') : job;
}
