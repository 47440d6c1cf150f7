import type { Job } from '@maestro/protocol';
import { openTestCluster } from '../support/testCluster.ts';

/** Jobs that train on this machine, with one worker and without any container: what their bits must be anywhere. */
export interface LocalRun {
  /** The hash that the short one ended with. */
  readonly shortHash: string;
  /** Lets the long one stand still, so that the machine is another's; tells where it stands. */
  hold(): Promise<number>;
  /** The hash of the long one's checkpoint at a step; it trains until then where it has not. */
  hashAt(step: number): Promise<string>;
  stop(): Promise<void>;
}

/** Trains the short job, and starts the long one, which keeps its checkpoints. */
export async function startLocalRun(jobsOf: (path: string) => { readonly short: unknown; readonly long: unknown }): Promise<LocalRun> {
  const { client, path, watch, stop } = await openTestCluster({ name: 'compose-local', workers: 1 });
  const jobs = jobsOf(path);
  const short = await watch(await client.submitJob({ spec: jobs.short }));
  const { id } = await client.submitJob({ spec: jobs.long });
  const hashOf = ({ checkpoints }: Job, step: number): string | undefined => checkpoints.find((each) => each.step === step)?.hash;
  return {
    shortHash: short.checkpoints.at(-1)?.hash ?? `none: the job is ${short.state}, ${short.message}`,
    async hold() {
      await watch({ id }, ({ progress }) => (progress?.step ?? 0) > 0);
      await client.pauseJob(id);
      const { progress } = await watch({ id }, ({ state }) => state === 'paused');
      return progress!.step;
    },
    async hashAt(step) {
      const now = await client.getJob(id);
      if (hashOf(now, step) === undefined) await client.resumeJob(id);
      const job = await watch({ id }, (each) => hashOf(each, step) !== undefined);
      await client.cancelJob(id);
      return hashOf(job, step) ?? `none: the job is ${job.state}, ${job.message}`;
    },
    stop,
  };
}
