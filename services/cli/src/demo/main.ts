import '@maestro/recipes';
import { errorMessage, recipeInfos } from '@maestro/protocol';
import { Command } from 'commander';
import { printableLines } from '../terminal/printResult.ts';
import { withDemoOptions } from './demoOptions.ts';
import { type DemoOptions, runDemo } from './runDemo.ts';

const EXIT_FAILED = 1;

/** `npm run demo`. */
const program = withDemoOptions(new Command('demo')).parse();
try {
  recipeInfos();
  await runDemo(program.opts<DemoOptions>());
} catch (error) {
  process.stderr.write(`demo: ${printableLines(errorMessage(error))}\n`);
  process.exitCode = EXIT_FAILED;
}
