import { readEnvironment } from '@maestro/protocol';
import { Command } from 'commander';
import { addArtifactCommands } from './commands/artifacts.ts';
import { addAuditCommand } from './commands/audit.ts';
import { addCertsCommands } from './commands/certs.ts';
import { addChaosCommand } from './commands/chaos.ts';
import { addCheckpointCommand } from './commands/checkpoint.ts';
import { addCompletionCommand } from './commands/completion.ts';
import { addDatasetCommand } from './commands/dataset.ts';
import { addDemoCommand } from './commands/demo.ts';
import { addDoctorCommand } from './commands/doctor.ts';
import { addFollowCommand } from './commands/follow.ts';
import { addJobCommands } from './commands/jobs.ts';
import { addLogsCommand } from './commands/logs.ts';
import { addMetricsCommand } from './commands/metrics.ts';
import { addReconstructCommand } from './commands/reconstruct.ts';
import { addSubmitCommand } from './commands/submit.ts';
import { addTopCommand } from './commands/top.ts';
import { addUpCommands } from './commands/up.ts';
import { addWaitCommand } from './commands/wait.ts';
import { addWorkerCommands } from './commands/workers.ts';
import { withExamples } from './job/examples.ts';
import { DEFAULT_DATA_DIR } from './terminal/connection.ts';
import { withOptionHint } from './terminal/optionHint.ts';
import { readVersion } from './terminal/readVersion.ts';

/**
 * Creates the whole command line; `parseAsync` runs it. Errors are thrown, help is printed. Commands load large modules when they run:
 * `maestro jobs` should not wait for image codecs.
 */
export function createProgram(): Command {
  const program = new Command('maestro')
    .description('Pre-trains Masked Autoencoders on your images; the weights do not depend on the number of workers.')
    .option('--coordinator <host:port>', 'address of the coordinator (default: the cluster of `maestro up` here, or MAESTRO_COORDINATOR)')
    .option(
      '--data-dir <dir>',
      `folder for Redis, checkpoints and logs of a local cluster (default: ${DEFAULT_DATA_DIR}, or MAESTRO_DATA_DIR)`,
    )
    .configureOutput({ outputError: (text, write) => write(withOptionHint(text)) })
    .showHelpAfterError('(add --help for the options)')
    .helpOption('-h, --help', 'explain a command, with examples')
    .option('--version', 'print the version and the commit it was built from')
    .on('option:version', () => {
      process.stdout.write(`${readVersion()}\n`);
      process.exit();
    })
    .exitOverride();
  program.setOptionValueWithSource('dataDir', readEnvironment()['MAESTRO_DATA_DIR'] ?? DEFAULT_DATA_DIR, 'default');
  withExamples(program, [
    ['maestro up --workers 2', 'a cluster on this machine'],
    ['maestro submit job.yaml --follow', 'train, and watch (in another terminal)'],
    ['maestro top', 'everything that happens, live'],
    ['maestro describe JOB', 'what a job is doing, what happened and why'],
  ]);

  addDemoCommand(program);
  addUpCommands(program);
  addSubmitCommand(program);
  addFollowCommand(program);
  addWaitCommand(program);
  addJobCommands(program);
  addLogsCommand(program);
  addTopCommand(program);
  addWorkerCommands(program);
  addAuditCommand(program);
  addMetricsCommand(program);
  addReconstructCommand(program);
  addCheckpointCommand(program);
  addArtifactCommands(program);
  addDatasetCommand(program);
  addDoctorCommand(program);
  addCertsCommands(program);
  addChaosCommand(program);
  addCompletionCommand(program);
  return program;
}
