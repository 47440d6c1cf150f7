#!/usr/bin/env node
import { errorMessage, isMaestroError } from '@maestro/protocol';
import { Command, CommanderError } from 'commander';
import { addAuditCommand } from './commands/audit.ts';
import { addChaosCommand } from './commands/chaos.ts';
import { addCheckpointCommand } from './commands/checkpoint.ts';
import { addDoctorCommand } from './commands/doctor.ts';
import { addJobCommands } from './commands/jobs.ts';
import { addMetricsCommand } from './commands/metrics.ts';
import { addReconstructCommand } from './commands/reconstruct.ts';
import { addSubmitCommand } from './commands/submit.ts';
import { addUpCommands } from './commands/up.ts';
import { addWorkerCommands } from './commands/workers.ts';
import { DEFAULT_DATA_DIR } from './connection.ts';

const EXIT_FAILED = 1;
const EXIT_BAD_INPUT = 2;

const program = new Command('maestro')
  .description('Pre-trains Masked Autoencoders on your images; the weights do not depend on how many workers there are.')
  .option('--coordinator <host:port>', 'coordinator to talk to (default: the cluster of `maestro up` here, or MAESTRO_COORDINATOR)')
  .option(
    '--data-dir <dir>',
    'folder for Redis, checkpoints and logs of a local cluster',
    process.env['MAESTRO_DATA_DIR'] ?? DEFAULT_DATA_DIR,
  )
  .showHelpAfterError('(add --help for the options)')
  .exitOverride();

addUpCommands(program);
addSubmitCommand(program);
addJobCommands(program);
addWorkerCommands(program);
addAuditCommand(program);
addMetricsCommand(program);
addReconstructCommand(program);
addCheckpointCommand(program);
addDoctorCommand(program);
addChaosCommand(program);

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? 0 : EXIT_BAD_INPUT;
  } else {
    process.stderr.write(`maestro: ${errorMessage(error)}\n`);
    process.exitCode = isMaestroError(error, 'invalid-argument') ? EXIT_BAD_INPUT : EXIT_FAILED;
  }
}
