import { isMaestroError, isTraining, type JobCheck, type JobSpec, MaestroError, parseJobSpec } from '@maestro/protocol';
import type { Command } from 'commander';
import { withExamples } from '../job/examples.ts';
import { followJob, logsOption } from '../job/followJob.ts';
import type { JobFile } from '../job/jobFile.ts';
import { collect } from '../terminal/options.ts';
import { withClient } from '../terminal/withClient.ts';

interface SubmitOptions {
  readonly recipe?: string;
  readonly set: readonly string[];
  readonly follow?: boolean;
  readonly logs: string;
  readonly dryRun?: boolean;
  readonly idempotencyKey?: string;
  readonly resume?: string | undefined;
  readonly resumeAnyway?: boolean;
  readonly json?: boolean;
}

/** Adds `maestro submit`: sends a job file to the coordinator. */
export function addSubmitCommand(program: Command): void {
  const command = program
    .command('submit')
    .description('submit a job file (YAML or JSON)')
    .argument('[file]', 'job file; omit it to give every key with --set')
    .option('--recipe <name>', 'recipe: mae-pretrain, or knn to evaluate the encoder of a checkpoint')
    .option('--set <key=value>', 'set a key of the job file, such as schedule.epochs=3; may be repeated', collect, [])
    .option(
      '--resume <checkpoint>',
      'checkpoint folder to continue from, or to evaluate with knn; a job (id, name, @last) stands for its newest valid checkpoint here',
    )
    .option('--resume-anyway', 'continue from that checkpoint even if its job file, data or versions differ')
    .option('--follow', 'show progress and log lines until the job ends; the exit code is its outcome (0 succeeded, 1 failed, 3 cancelled)')
    .addOption(logsOption())
    .option(
      '--dry-run',
      'only check the file: print it with all defaults, and the plan (steps, learning rate, memory, time) to standard error',
    )
    .option('--idempotency-key <key>', 'submitting again with the same key returns the same job')
    .option('--json', 'print the job as JSON; with --dry-run file, plan and warnings')
    .action(async (file: string | undefined, options: SubmitOptions) => {
      const { resume } = options;
      const from =
        resume === undefined ? undefined : await (await import('../checkpoint/checkpointPlace.ts')).newestFolder(program, resume);
      const spec = await buildSpec(file, { ...options, resume: from });
      // Errors in the file are reported before a coordinator is contacted.
      const checked = parseJobSpec(spec);
      if (options.dryRun === true) {
        return dryRun(program, { file: spec, spec: checked, isJson: options.json === true });
      }
      await withClient(program, async (client) => {
        const { idempotencyKey } = options;
        const job = await client.submitJob({ spec, ...(idempotencyKey !== undefined && { idempotencyKey }) });
        warn(job.warnings ?? []);
        if (options.follow !== true) {
          process.stdout.write(options.json === true ? `${JSON.stringify(job)}\n` : `${job.id}\n`);
          return;
        }
        await followJob(client, job, options);
      });
    });
  withExamples(command, [
    ['maestro submit job.yaml --follow', 'train and watch; Ctrl-C leaves the job running'],
    ['maestro submit job.yaml --set priority=5 --set seed=1', 'override keys; jobs of lower priority are preempted'],
    ['maestro submit job.yaml --dry-run', 'only check it, and print all defaults and the plan'],
    ['maestro submit --recipe mae-pretrain --set data.format=image-folder --set data.path=DIR --set schedule.epochs=10', 'without a file'],
    [
      'maestro submit --recipe knn --resume JOB --set data.format=idx --set data.path=DIR --follow',
      "k-NN accuracy of a job's encoder: classify test samples by their nearest training samples",
    ],
    ['maestro submit job.yaml --idempotency-key nightly', 'safe to repeat'],
  ]);
}

/** Checks a job file and shows the plan: by the coordinator, which knows its workers; when none answers, by what this machine sees. */
async function dryRun(
  program: Command,
  { file, spec, isJson }: { readonly file: JobFile; readonly spec: JobSpec; readonly isJson: boolean },
): Promise<void> {
  let check: JobCheck;
  let isLocal = false;
  try {
    check = await withClient(program, (client) => client.checkJob(file));
  } catch (error) {
    if (!isMaestroError(error, 'unavailable')) throw error;
    const { examineJob, planJob, planWarnings } = await import('@maestro/data');
    const { samples, warnings } = await examineJob(spec, { isCertain: true, startStep: 0, countsAll: true });
    const plan = planJob(spec, { samples, workers: [] });
    check = { spec, plan, warnings: [...warnings, ...planWarnings(plan, spec)] };
    isLocal = true;
    process.stderr.write('maestro: no coordinator answers; checked against this machine only, without workers\n');
  }
  if (isJson) {
    process.stdout.write(`${JSON.stringify(check)}\n`);
    return;
  }
  // A measuring job uses its checkpoint's model, which may be on another machine.
  const { model, ...others } = check.spec;
  process.stdout.write(`${JSON.stringify(isLocal && !isTraining(spec) ? others : { model, ...others }, null, 2)}\n`);
  process.stderr.write(`${(await import('../job/planText.ts')).planText(check)}\n`);
  warn(check.warnings);
}

function warn(warnings: readonly string[]): void {
  for (const warning of warnings) process.stderr.write(`maestro: warning: ${warning}\n`);
}

async function buildSpec(file: string | undefined, { recipe, set, resume, resumeAnyway }: SubmitOptions): Promise<JobFile> {
  if (file === undefined && set.length === 0) {
    throw new MaestroError(
      'invalid-argument',
      'submit: name a job file, or set keys with --set (such as --set data.format=image-folder --set data.path=DIR)',
    );
  }
  const { readJobFile, setKeys, withAbsolutePaths } = await import('../job/jobFile.ts');
  const pairs = [
    ...set,
    ...[recipe].flatMap((id) => (id === undefined ? [] : [`recipe=${id}`])),
    ...(resume === undefined ? [] : [`checkpoint.resumeFrom=${JSON.stringify(resume)}`]),
    ...(resumeAnyway === true ? ['checkpoint.resumeAnyway=true'] : []),
  ];
  return withAbsolutePaths(setKeys(file === undefined ? {} : await readJobFile(file), pairs));
}
