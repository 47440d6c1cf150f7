import { type Heal, networkLacks, recordJob, shapeLink, startCluster } from '@maestro/cli';
import { connectJobClient } from '@maestro/client';
import { isTerminal } from '@maestro/protocol';

/** Of each host, for what it sends: two hosts are a round trip of twice the delay apart. */
const LINK = { delayMs: 50, lossPercent: 1 };
const PATIENCE_MS = 600_000;

/** Why this machine has no network whose links can be slow and lossy; undefined when it has. */
export async function farApartLack(): Promise<string | undefined> {
  const { namespaces, delay, loss } = await networkLacks();
  return namespaces ?? delay ?? loss;
}

/** Trains a job on workers in network namespaces, with 50 ms and 1 % loss on the link of each host; gives the hash that it ends with. */
export async function hashFarApart(
  spec: Record<string, unknown>,
  { dataDir, workers }: { readonly dataDir: string; readonly workers: number },
): Promise<string> {
  const cluster = await startCluster({ workers, dataDir, networkNamespaces: true });
  const client = connectJobClient(cluster.coordinator);
  const heals: Heal[] = [];
  try {
    for (const [seed, { name }] of cluster.processes.entries()) heals.push(await shapeLink(cluster.network!, name, { ...LINK, seed }));
    const { id } = await client.submitJob({ spec });
    const record = recordJob(cluster.coordinator, id);
    const job = await record.until('its end', ({ state }) => isTerminal(state), { timeoutMs: PATIENCE_MS });
    await record.close();
    return job.state === 'succeeded' ? job.checkpoints.at(-1)!.hash : `none: the job is ${job.state}, ${job.message}`;
  } finally {
    client.close();
    for (const heal of heals) await heal();
    await cluster.stop();
  }
}
