import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { startCluster } from '@maestro/cli';
import { connectJobClient, type JobClient } from '@maestro/client';
import type { Job } from '@maestro/protocol';
import { writeBlobs } from '../../support/cluster/blobs.ts';
import { smallJob } from '../../support/cluster/smallJob.ts';

const MEASURE_MS = 10_000;
/** More than are done in that time. */
const STEPS = 1_000_000;
/** Virtual ranks and workers of the jobs; `MAESTRO_BENCH_MEMBERS=64x2,1024x256` names others. */
const CASES = (process.env['MAESTRO_BENCH_MEMBERS'] ?? '64x2,64x64,1024x64')
  .split(',')
  .map((each) => each.split('x').map(Number) as [number, number]);
const PER_PROCESS = 64;

/**
 * Measures what jobs of many virtual ranks and members cost the coordinator, with members that compute nothing: the time from the submit
 * to the first step, steps a second in the ledger, and the processor time of coordinator and Redis for each.
 */
export async function benchMembers(): Promise<void> {
  for (const [virtualRanks, workers] of CASES) {
    const dir = await mkdtemp(join(tmpdir(), 'maestro-members-'));
    const cluster = await startCluster({ workers: 0, dataDir: join(dir, 'data') });
    const client = connectJobClient(cluster.coordinator);
    const children: ChildProcess[] = [];
    const processorSeconds = async (name: string): Promise<number> => {
      const { pid } = cluster.processes.find((each) => each.name === name)!;
      const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]!.split(' ');
      return (Number(fields[11]) + Number(fields[12])) / 100;
    };
    try {
      const path = await writeBlobs(join(dir, 'images'), { count: virtualRanks });
      const entry = fileURLToPath(new URL('./simulatedMembers.js', import.meta.url));
      for (let first = 0; first < workers; first += PER_PROCESS) {
        children.push(fork(entry, [cluster.coordinator, String(first), String(Math.min(PER_PROCESS, workers - first))]));
      }
      await Promise.all(children.map((child) => Promise.race([once(child, 'message'), ended(child)])));
      const began = performance.now();
      const spec = smallJob({ path, workers, steps: STEPS, schedule: { microBatch: 1, windowSteps: 32 }, resources: { virtualRanks } });
      const { id } = await client.submitJob({ spec });
      await Promise.race([reached(client, id, 1), ...children.map(ended)]);
      const startSeconds = (performance.now() - began) / 1000;
      const used = async (): Promise<readonly number[]> => [await processorSeconds('coordinator'), await processorSeconds('redis')];
      const [before, beforeMs, from] = [await used(), performance.now(), (await client.getJob(id)).progress!.step];
      await delay(MEASURE_MS);
      const [after, afterMs, to] = [await used(), performance.now(), (await client.getJob(id)).progress!.step];
      const seconds = (afterMs - beforeMs) / 1000;
      const cost = (which: number): string => `${((1e6 * (after[which]! - before[which]!)) / (to - from)).toFixed(0)} us`;
      process.stdout.write(
        `members: ${virtualRanks} virtual ranks on ${workers} workers: first step after ${startSeconds.toFixed(1)} s; ` +
          `${((to - from) / seconds).toFixed(0)} steps/s; a step costs the coordinator ${cost(0)}, Redis ${cost(1)} of processor time\n`,
      );
    } finally {
      client.close();
      for (const child of children) child.kill();
      await cluster.stop();
      await rm(dir, { recursive: true, force: true, maxRetries: 5 });
    }
  }
}

async function reached(client: JobClient, id: string, step: number): Promise<Job> {
  for await (const job of client.watchJob(id)) if ((job.progress?.step ?? 0) >= step) return job;
  throw new Error(`members: the job ended: ${(await client.getJob(id)).message}`);
}

async function ended(child: ChildProcess): Promise<never> {
  const [code] = await once(child, 'exit');
  throw new Error(`members: the process of simulated workers ended with code ${code}`);
}
