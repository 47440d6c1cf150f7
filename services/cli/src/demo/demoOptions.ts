import type { Command } from 'commander';
import { positiveInteger } from '../terminal/options.ts';

/** Adds the options of `npm run demo` and `maestro demo`. */
export function withDemoOptions(command: Command): Command {
  return command
    .description('Pre-trains a small Masked Autoencoder on this machine and shows what it learned.')
    .option('--workers <n>', 'number of worker processes; the result does not depend on it', positiveInteger, 2)
    .option('--steps <n>', 'training steps', positiveInteger)
    .option('--data <dir>', 'train on the images in this folder instead of Fashion-MNIST')
    .option('--json', 'print one JSON object to standard output at the end');
}
