import type { JobClient } from '@maestro/client';
import type { Job } from '@maestro/protocol';
import { exitCodeOf } from './exitCode.ts';
import { createProgressView } from './progressView.ts';

/**
 * Shows a job's progress on standard error until it ends, then prints its outcome, which becomes the exit code. Ctrl-C leaves the job
 * running and says how to come back.
 */
export async function followJob(client: JobClient, job: Job, { json }: { readonly json?: boolean | undefined }): Promise<void> {
  const last = await follow(client, job);
  process.stdout.write(json === true ? `${JSON.stringify(last)}\n` : `${last.id} ${last.state}: ${last.message}\n`);
  process.exitCode = exitCodeOf(last);
}

async function follow(client: JobClient, job: Job): Promise<Job> {
  const view = createProgressView(process.stderr);
  const detach = (): void => {
    view.end();
    const { id } = job;
    process.stderr.write(`detached; the job goes on. Come back with \`maestro follow ${id}\`, end it with \`maestro cancel ${id}\`\n`);
    process.exit(0);
  };
  process.once('SIGINT', detach);
  let last = job;
  try {
    for await (const now of client.watchJob(job.id)) {
      last = now;
      view.show(now);
    }
  } finally {
    view.end();
    process.off('SIGINT', detach);
  }
  return last;
}
