import type { Job } from '@maestro/protocol';
import { openTestCluster } from '../support/cluster/testCluster.ts';

/** Jobs that train on this machine, with one worker and without any container: what their bits must be anywhere. */
export interface LocalRun {
  /** The hash that the short one ended with. */
  readonly shortHash: string;
  /** Trains the long one up to a step; gives the hash of its checkpoint there. */
  hashAt(step: number): Promise<string>;
  stop(): Promise<void>;
}

/** Starts a cluster and trains the short job. */
export async function startLocalRun(jobsOf: (path: string) => { readonly short: unknown; readonly long: unknown }): Promise<LocalRun> {
  const { client, path, watch, stop } = await openTestCluster({ name: 'compose-local', workers: 1 });
  const jobs = jobsOf(path);
  const short = await watch(await client.submitJob({ spec: jobs.short }));
  return {
    shortHash: short.checkpoints.at(-1)?.hash ?? `none: the job is ${short.state}, ${short.message}`,
    async hashAt(step) {
      const hashOf = ({ checkpoints }: Job): string | undefined => checkpoints.find((each) => each.step === step)?.hash;
      const { id } = await client.submitJob({ spec: jobs.long });
      const job = await watch({ id }, (each) => hashOf(each) !== undefined);
      await client.cancelJob(id);
      return hashOf(job) ?? `none: the job is ${job.state}, ${job.message}`;
    },
    stop,
  };
}
