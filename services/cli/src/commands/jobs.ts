import type { JobClient } from '@maestro/client';
import { errorMessage, isTerminal, JOB_STATES, type JobState } from '@maestro/protocol';
import { type Command, Option } from 'commander';
import { withExamples } from '../job/examples.ts';
import { findJob, JOB_HELP } from '../job/findJob.ts';
import { jobDescription, jobTable } from '../job/jobTable.ts';
import { newestJobs } from '../job/newestJobs.ts';
import { positiveInteger } from '../terminal/options.ts';
import { forTerminal, printResult } from '../terminal/printResult.ts';
import { withClient } from '../terminal/withClient.ts';

/** Default number of jobs in a list. */
const SHOWN_JOBS = 200;

interface ReadOptions {
  readonly json?: boolean;
}

/** Adds `maestro jobs`, `describe JOB`, `cancel JOB`, `pause JOB` and `resume JOB`. */
export function addJobCommands(program: Command): void {
  const list = program
    .command('jobs')
    .description('list jobs, newest first, with state, progress, and why a job waits or has ended')
    .addOption(new Option('--state <state>', 'only jobs in this state').choices(JOB_STATES))
    .addOption(
      new Option('--limit <jobs>', 'show this many of the newest jobs, plus those that have workers')
        .default(SHOWN_JOBS)
        .argParser(positiveInteger),
    )
    .option('--all', 'all jobs, however many')
    .option('--json', 'print all jobs as JSON (or --limit of them)')
    .action(async ({ json, state, limit, all }: ReadOptions & { state?: JobState; limit: number; all?: boolean }) => {
      const isBounded = all !== true && (json !== true || list.getOptionValueSource('limit') !== 'default');
      const { jobs, areAll } = await withClient(program, (client) =>
        newestJobs(client, { limit: isBounded ? limit : Number.POSITIVE_INFINITY, state }),
      );
      const none = state === undefined ? 'no jobs yet; submit one with `maestro submit FILE`' : `no jobs are ${state}`;
      const more = areAll ? '' : '\nolder jobs are not shown; list them with `maestro jobs --all`';
      printResult(json, jobs, (shown) => (shown.length === 0 ? none : `${jobTable(shown)}${more}`));
    });
  withExamples(list, [
    ['maestro jobs', 'list jobs, and why each one waits'],
    ['maestro jobs --state running --json | jq -r .[].id', 'for scripts'],
  ]);

  const describe = program
    .command('describe')
    .description('show one job in full: state and reason, members, progress, events, checkpoints')
    .argument('<job>', JOB_HELP)
    .option('--json', 'print JSON')
    .action(async (id: string, { json }: ReadOptions) => {
      const { job, stored } = await withClient(program, (client) =>
        findJob(client, id, async (found) => ({
          job: await client.getJob(found),
          // An unresponsive disk or server must not hide the rest of the job.
          stored: await client.listCheckpoints(found).catch((error: unknown) => {
            process.stderr.write(`maestro: cannot list the checkpoints: ${errorMessage(error)}\n`);
            return undefined;
          }),
        })),
      );
      printResult(json, job, (shown) => jobDescription(shown, { stored: forTerminal(stored) }));
    });
  withExamples(describe, [
    ['maestro describe JOB', 'see what each member is doing, who joined and left, and why'],
    ['maestro describe JOB --json | jq .progress.metrics.loss', 'one number'],
  ]);

  const verbs = [
    {
      name: 'cancel',
      description: 'cancel a job at the next step boundary, after writing a checkpoint',
      act: (client: JobClient, id: string) => client.cancelJob(id),
      example: 'cancel it; `maestro submit FILE --resume CHECKPOINT` continues from its last checkpoint',
    },
    {
      name: 'pause',
      description: 'pause a job at the next step boundary, after writing a checkpoint, and free its workers',
      act: (client: JobClient, id: string) => client.pauseJob(id),
      example: 'its workers are free meanwhile; the final weights do not change',
    },
    {
      name: 'resume',
      description: 'resume a paused job from its newest valid checkpoint',
      act: (client: JobClient, id: string) => client.resumeJob(id),
      example: 'it is queued again with its priority and age',
    },
  ] as const;
  for (const { name, description, act, example } of verbs) {
    const command = program
      .command(name)
      .description(description)
      .argument('<job>', JOB_HELP)
      .option('--json', 'print JSON')
      .action(async (id: string, { json }: ReadOptions) => {
        const job = await withClient(program, (client) => findJob(client, id, (found) => act(client, found)));
        printResult(json, job, ({ id, state, message }) => {
          // A cancelled job with workers ends once they have left.
          const now = name === 'cancel' && !isTerminal(state) ? 'is ending' : state;
          return `${id} ${now}: ${message}`;
        });
      });
    withExamples(command, [[`maestro ${name} JOB`, example]]);
  }
}
