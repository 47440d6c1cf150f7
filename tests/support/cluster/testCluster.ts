import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Cluster, startCluster } from '@maestro/cli';
import { connectJobClient, type JobClient } from '@maestro/client';
import { isTerminal, type Job, MaestroError } from '@maestro/protocol';
import { writeBlobs } from './blobs.ts';

/** A cluster of real processes with a small data set, with helpers for tests. */
export interface TestCluster {
  readonly cluster: Cluster;
  readonly client: JobClient;
  /** The data set: 300 images. */
  readonly path: string;
  /** Names of all workers. */
  workers(): string[];
  /** Follows a job until it has ended, or `until` holds. Retries while the coordinator is away; the test's deadline bounds it. */
  watch(job: Pick<Job, 'id'>, until?: (job: Job) => boolean): Promise<Job>;
  /** Checks that the job succeeded, with the given bits, and every sample of every epoch in one committed step. */
  expectExact(job: Pick<Job, 'id'>, options: { readonly hash: string; readonly steps: number }): Promise<Job>;
  stop(): Promise<void>;
}

const IMAGES = 300;

/** Starts a coordinator, a Redis and workers with a short failure timeout, with their data in a separate folder. */
export async function openTestCluster({
  name,
  workers = 3,
  env = {},
}: {
  readonly name: string;
  readonly workers?: number;
  /** Variables of all processes, in addition to those of every test cluster. */
  readonly env?: Readonly<Record<string, string>>;
}): Promise<TestCluster> {
  const dir = await mkdtemp(join(tmpdir(), `maestro-${name}-`));
  const path = await writeBlobs(join(dir, 'blobs'), { count: IMAGES });
  const cluster = await startCluster({
    workers,
    dataDir: join(dir, 'data'),
    env: { MAESTRO_FAILURE_TIMEOUT_MS: '2000', MAESTRO_RECONSTRUCTION_SECONDS: '0', ...env },
  });
  const client = connectJobClient(cluster.coordinator);
  const watch: TestCluster['watch'] = async ({ id }, until = () => false) => {
    for (;;) {
      try {
        for await (const now of client.watchJob(id)) if (until(now) || isTerminal(now.state)) return now;
      } catch {
        // The coordinator is unreachable.
      }
    }
  };
  return {
    cluster,
    client,
    path,
    watch,
    workers: () => cluster.processes.map((process) => process.name).filter((each) => each.startsWith('worker-')),
    async expectExact(job, { hash, steps }) {
      const ended = await watch(job);
      const found = hashOf(ended, steps);
      const audit = await client.auditJob(job.id);
      const isExact = audit.isClean && audit.step === steps && audit.missing === 0 && audit.duplicates === 0 && audit.problems.length === 0;
      if (found === hash && isExact) return ended;
      const what = found === hash ? `the audit is not clean: ${JSON.stringify(audit)}` : `it ended with ${found}, expected ${hash}`;
      throw new MaestroError('conflict', `${what}\n${messagesOf(ended)}`);
    },
    async stop() {
      client.close();
      await cluster.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** Returns a condition: the job has committed this many steps. */
export const hasDone =
  (step: number) =>
  ({ progress }: Job): boolean =>
    (progress?.step ?? 0) >= step;

/** Returns the hash that a job ended with. @throws MaestroError with its history when it did not finish. */
export function hashOf(job: Job, steps: number): string {
  if (job.state === 'succeeded' && job.message === `finished after ${steps} steps`) return job.checkpoints.at(-1)!.hash;
  throw new MaestroError('conflict', `the job is ${job.state}: ${job.message}\n${messagesOf(job)}`);
}

/** Returns everything that happened to a job, one line each. */
export function messagesOf(job: Job): string {
  return job.events.map(({ message }) => message).join('\n');
}
