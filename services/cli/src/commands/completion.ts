import { isMaestroError, MaestroError } from '@maestro/protocol';
import type { Command } from 'commander';
import { withExamples } from '../job/examples.ts';
import { bashCompletion, zshCompletion } from '../terminal/completionScript.ts';
import { printable } from '../terminal/printResult.ts';
import { withClient } from '../terminal/withClient.ts';

/** Number of newest jobs offered for completion. */
const MOST_COMPLETED = 200;

/** Adds `maestro completion SHELL`: prints a script that completes commands, options, jobs and workers. */
export function addCompletionCommand(program: Command): void {
  const command = program
    .command('completion')
    .description('print a script that completes commands, options, job ids and worker names in bash or zsh')
    .argument('<shell>', 'bash or zsh')
    .action((shell: string) => {
      if (shell !== 'bash' && shell !== 'zsh') throw new MaestroError('invalid-argument', `completion: ${shell}: expected bash or zsh`);
      process.stdout.write(shell === 'bash' ? bashCompletion(program) : zshCompletion(program));
    });
  withExamples(command, [
    ['source <(maestro completion bash)', 'for this shell; add the line to ~/.bashrc for all shells'],
    ['maestro completion zsh > ~/.zsh/_maestro', 'with ~/.zsh in fpath, before compinit'],
  ]);

  // Called by the scripts: prints one name per line, and nothing when no cluster answers.
  program
    .command('__names', { hidden: true })
    .argument('<kind>')
    .action(async (kind: string) => {
      try {
        const names = await withClient(program, async (client) =>
          kind === 'job'
            ? (await client.listJobs({ limit: MOST_COMPLETED })).map(({ id }) => id)
            : (await client.listWorkers()).map(({ name }) => name),
        );
        process.stdout.write(names.map((name) => `${printable(name)}\n`).join(''));
      } catch (error) {
        if (!isMaestroError(error, 'unavailable')) throw error;
      }
    });
}
