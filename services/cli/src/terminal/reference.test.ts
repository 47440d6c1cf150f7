import { readFile } from 'node:fs/promises';
import { expect, test } from '@jest/globals';
import type { Command } from 'commander';
import { createProgram } from '../program.ts';
import { referencePage } from './reference.ts';

const PAGE = new URL('../../../../docs/reference/cli.md', import.meta.url);

function all(command: Command): Command[] {
  return [command, ...command.commands.flatMap(all)];
}

const helpOf = (command: Command): string => {
  let text = '';
  command.configureOutput({
    writeOut: (part) => {
      text += part;
    },
  });
  command.outputHelp();
  return text;
};

test('docs/reference/cli.md says what the commands say; `npm run --silent reference > docs/reference/cli.md` writes it anew', async () => {
  expect(await readFile(PAGE, 'utf8')).toBe(referencePage(createProgram()));
});

test('every command that does something explains itself with an example that parses', () => {
  const program = createProgram();
  const names = new Set(all(program).map((command) => command.name()));
  for (const command of all(program).filter((each) => each.commands.length === 0 && !each.name().startsWith('__'))) {
    const examples = [...helpOf(command).matchAll(/^ {2}\$ (.*maestro .*)$/gm)].map(([, line]) => line!);
    expect([command.name(), examples.length > 0]).toEqual([command.name(), true]);
    for (const line of examples) {
      const [first] = /maestro (\w+)/.exec(line)!.slice(1);
      expect([line, names.has(first!)]).toEqual([line, true]);
      for (const [flag] of line.split(/[|#]/)[0]!.matchAll(/(?<= )--[a-z][a-z0-9-]*/g)) {
        const known = [...command.options, ...program.options].map(({ long }) => long);
        expect([line, known]).toEqual([line, expect.arrayContaining([flag])]);
      }
    }
  }
});
