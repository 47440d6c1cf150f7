import { resolve } from 'node:path';
import type { Command } from 'commander';
import { withExamples } from '../job/examples.ts';
import { LOCATION_HELP, positiveInteger } from '../terminal/options.ts';
import { printResult } from '../terminal/printResult.ts';

interface ReconstructOptions {
  readonly data?: string;
  readonly location?: string;
  readonly out: string;
  readonly count: number;
  readonly json?: boolean;
}

/** Adds `maestro reconstruct`: shows a checkpoint's reconstructions of masked images as a picture and as numbers. */
export function addReconstructCommand(program: Command): void {
  const command = program
    .command('reconstruct')
    .description("draw a checkpoint's reconstructions of masked images (a PNG: original, masked, prediction, pasted)")
    .argument('<checkpoint>', 'a checkpoint folder, or a job (id, unique prefix, name, or @last) for its newest valid checkpoint')
    .option('--data <folder>', "images to draw (default: held-out images of the job's own data)")
    .option('--location <place>', LOCATION_HELP)
    .option('--out <file>', 'path of the picture', 'reconstruction.png')
    .option('--count <n>', 'images', positiveInteger, 8)
    .option('--json', 'print JSON')
    .action(async (target: string, { data, location, out, count, json }: ReconstructOptions) => {
      const [{ newestFolder }, { drawReconstruction }] = await Promise.all([
        import('../checkpoint/checkpointPlace.ts'),
        import('../checkpoint/drawReconstruction.ts'),
      ]);
      const report = await drawReconstruction({ dir: await newestFolder(program, target, location), data, picture: resolve(out), count });
      const { step, maskedMse, meanFillMse, images, areHeldOut, picture } = report;
      const which = `${areHeldOut === true ? 'held-out ' : ''}image${images === 1 ? '' : 's'}${areHeldOut === false ? ' trained on' : ''}`;
      const text =
        `step ${step}: squared error on masked patches ${maskedMse.toFixed(5)} over ${images} ${which} (filling in the ` +
        `visible mean: ${meanFillMse.toFixed(5)})\n${picture}`;
      printResult(json, report, () => text);
    });
  withExamples(command, [
    ['maestro reconstruct JOB', 'draw the reconstructions of its newest checkpoint'],
    ['maestro reconstruct step-00000100 --data DIR --out a.png', 'use any checkpoint, on your own images'],
  ]);
}
