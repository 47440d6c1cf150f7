import type { Command } from 'commander';
import { withExamples } from '../examples.ts';
import { findJob } from '../findJob.ts';
import { followJob } from '../followJob.ts';
import { withClient } from '../withClient.ts';

/** `maestro follow JOB`: comes back to a job that was submitted earlier. */
export function addFollowCommand(program: Command): void {
  const command = program
    .command('follow')
    .description('show progress of a job until it ends; the exit code is its outcome (0 succeeded, 1 failed, 3 cancelled)')
    .argument('<job>', 'job id')
    .option('--json', 'end with the job as JSON on standard output')
    .action((id: string, { json }: { json?: boolean }) =>
      withClient(program, async (client) => followJob(client, await findJob(client, id, (found) => client.getJob(found)), { json })),
    );
  withExamples(command, [
    ['maestro follow JOB', 'come back to a job; Ctrl-C leaves it running'],
    ['maestro follow JOB --json | jq .checkpoints', 'wait for it in a script'],
  ]);
}
