import type { JobClient } from '@maestro/client';
import type { Command } from 'commander';
import { jobDescription, jobTable } from '../jobTable.ts';
import { withClient } from '../withClient.ts';

interface ReadOptions {
  readonly json?: boolean;
}

/** `maestro jobs`, `describe JOB`, `cancel JOB`, `pause JOB` and `resume JOB`. */
export function addJobCommands(program: Command): void {
  program
    .command('jobs')
    .description('list jobs, newest first')
    .option('--json', 'print JSON')
    .action(async ({ json }: ReadOptions) => {
      const jobs = await withClient(program, (client) => client.listJobs());
      const text = jobs.length === 0 ? 'no jobs yet; submit one with `maestro submit FILE`' : jobTable(jobs);
      process.stdout.write(`${json === true ? JSON.stringify(jobs) : text}\n`);
    });

  program
    .command('describe')
    .description('everything about one job: state and why, members, progress, checkpoints')
    .argument('<job>', 'job id')
    .option('--json', 'print JSON')
    .action(async (id: string, { json }: ReadOptions) => {
      const job = await withClient(program, (client) => client.getJob(id));
      process.stdout.write(`${json === true ? JSON.stringify(job) : jobDescription(job)}\n`);
    });

  const verbs = [
    [
      'cancel',
      'end a job at the next step boundary; it writes a checkpoint first',
      (client: JobClient, id: string) => client.cancelJob(id),
    ],
    [
      'pause',
      'hold a job at the next step boundary, with a checkpoint, and free its workers',
      (client: JobClient, id: string) => client.pauseJob(id),
    ],
    ['resume', 'go on with a paused job, from its newest valid checkpoint', (client: JobClient, id: string) => client.resumeJob(id)],
  ] as const;
  for (const [name, description, act] of verbs) {
    program
      .command(name)
      .description(description)
      .argument('<job>', 'job id')
      .option('--json', 'print JSON')
      .action(async (id: string, { json }: ReadOptions) => {
        const job = await withClient(program, (client) => act(client, id));
        process.stdout.write(`${json === true ? JSON.stringify(job) : `${job.id} ${job.state}: ${job.message}`}\n`);
      });
  }
}
