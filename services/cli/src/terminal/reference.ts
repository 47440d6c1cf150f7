import type { Command } from 'commander';

const WIDTH = 120;

/** Renders the reference of the whole command line, as Markdown, from the commands' own help. */
export function referencePage(program: Command): string {
  const sections = visible(program).flatMap((command) => section(command, [program.name()]));
  return `# Command line

Written by \`npm run reference\` from the commands themselves; \`maestro COMMAND --help\` says the same. In this repository \`maestro\` is
\`npm run maestro --\`; relative paths are of the folder in which it is typed. Every command that reads takes \`--json\`. Exit codes:
0 done, 1 failed or found something wrong, 2 the input was wrong, 3 the job that was followed was cancelled. Errors
are one line on standard error, with what to do.

\`\`\`
${helpOf(program)}
\`\`\`

${sections.join('\n')}`;
}

function section(command: Command, path: readonly string[]): string[] {
  const own = [...path, command.name()];
  const text = `${'#'.repeat(own.length)} ${own.join(' ')}\n\n\`\`\`\n${helpOf(command)}\n\`\`\`\n`;
  return [text, ...visible(command).flatMap((inner) => section(inner, own))];
}

function visible(command: Command): Command[] {
  return command
    .createHelp()
    .visibleCommands(command)
    .filter((each) => each.name() !== 'help');
}

/** Returns the help as printed, examples included, at a fixed width. */
function helpOf(command: Command): string {
  let text = '';
  command.configureOutput({
    writeOut: (part) => {
      text += part;
    },
    getOutHelpWidth: () => WIDTH,
  });
  command.outputHelp();
  return text.trimEnd();
}
