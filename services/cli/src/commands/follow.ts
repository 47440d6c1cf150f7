import type { Command } from 'commander';
import { withExamples } from '../job/examples.ts';
import { JOB_HELP } from '../job/findJob.ts';
import { type FollowOptions, followJob, logsOption } from '../job/followJob.ts';
import { withClient } from '../terminal/withClient.ts';

/** Adds `maestro follow JOB`: returns to a job submitted earlier. */
export function addFollowCommand(program: Command): void {
  const command = program
    .command('follow')
    .description("show a job's progress and log lines until it ends; the exit code is its outcome (0 succeeded, 1 failed, 3 cancelled)")
    .argument('<job>', JOB_HELP)
    .addOption(logsOption())
    .option('--json', 'print the job as JSON to standard output at the end')
    .action((id: string, options: FollowOptions) =>
      withClient(program, async (client) => followJob(client, await client.getJob(id), options)),
    );
  withExamples(command, [
    ['maestro follow JOB', 'reattach to a job; Ctrl-C leaves it running'],
    ['maestro follow JOB --logs info', 'include all log lines of its workers'],
    ['maestro follow JOB --json | jq .checkpoints', 'wait for a job in a script'],
  ]);
}
