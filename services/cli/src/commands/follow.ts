import type { Command } from 'commander';
import { withExamples } from '../job/examples.ts';
import { JOB_HELP } from '../job/findJob.ts';
import { type FollowOptions, followJob, logsOption } from '../job/followJob.ts';
import { withClient } from '../terminal/withClient.ts';

/** `maestro follow JOB`: comes back to a job that was submitted earlier. */
export function addFollowCommand(program: Command): void {
  const command = program
    .command('follow')
    .description('show progress and log lines of a job until it ends; the exit code is its outcome (0 succeeded, 1 failed, 3 cancelled)')
    .argument('<job>', JOB_HELP)
    .addOption(logsOption())
    .option('--json', 'end with the job as JSON on standard output')
    .action((id: string, options: FollowOptions) =>
      withClient(program, async (client) => followJob(client, await client.getJob(id), options)),
    );
  withExamples(command, [
    ['maestro follow JOB', 'come back to a job; Ctrl-C leaves it running'],
    ['maestro follow JOB --logs info', 'with everything that its workers say'],
    ['maestro follow JOB --json | jq .checkpoints', 'wait for it in a script'],
  ]);
}
