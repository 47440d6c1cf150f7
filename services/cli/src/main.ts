#!/usr/bin/env node
import '@maestro/recipes';
import { errorMessage, isMaestroError, readEnvironment, recipeInfos, scrubEnvironment } from '@maestro/protocol';
import { hasAbandonedFileCalls } from '@maestro/storage';
import { CommanderError } from 'commander';
import { createProgram } from './program.ts';
import { printableLines } from './terminal/printResult.ts';

const EXIT_FAILED = 1;
const EXIT_BAD_INPUT = 2;

/** An error may quote an address that holds a password. The redacting module is loaded only when needed. */
const redacted = async (text: string): Promise<string> => (await import('@maestro/telemetry')).redactLine(text);

scrubEnvironment();
// A reader that has seen enough, such as `head`, closes the pipe.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit();
});

try {
  recipeInfos();
  await createProgram().parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? 0 : EXIT_BAD_INPUT;
  } else {
    process.stderr.write(`maestro: ${printableLines(await redacted(errorMessage(error)))}\n`);
    process.exitCode = isMaestroError(error, 'invalid-argument') ? EXIT_BAD_INPUT : EXIT_FAILED;
  }
}

const isHanging = hasAbandonedFileCalls();
const { MAESTRO_RECIPES: recipes } = readEnvironment();
if (isHanging || recipes !== undefined) {
  // All pending output is flushed first.
  await Promise.all([process.stdout, process.stderr].map((stream) => new Promise((resolve) => stream.write('', resolve))));
  // A call into a hanging mount cannot be cancelled, and the process would wait for it.
  if (isHanging) process.kill(process.pid, 'SIGKILL');
  // A recipe's module may have left a timer or a connection, which nobody ends.
  process.exit();
}
