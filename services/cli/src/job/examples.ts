import type { Command } from 'commander';

const GAP = 3;
/** Width above which the explanation gets its own line. */
const MOST_WIDTH = 60;

/** Adds examples to a command's help: pairs of input and explanation. */
export function withExamples(command: Command, examples: readonly (readonly [type: string, does: string])[]): Command {
  const width = Math.max(...examples.map(([type]) => (type.length <= MOST_WIDTH ? type.length : 0)));
  const lines = examples.map(([type, does]) =>
    type.length <= MOST_WIDTH ? `  $ ${type.padEnd(width + GAP)}# ${does}` : `  # ${does}:\n  $ ${type}`,
  );
  return command.addHelpText('after', `\nExamples:\n${lines.join('\n')}`);
}
