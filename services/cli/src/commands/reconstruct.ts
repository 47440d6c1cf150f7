import { stat, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { readJobSpec } from '@maestro/checkpoint';
import { type DataSpec, errorMessage, MaestroError } from '@maestro/protocol';
import type { Command } from 'commander';
import { withExamples } from '../examples.ts';
import { newestFolder } from '../newestFolder.ts';
import { positiveInteger } from '../options.ts';

interface ReconstructOptions {
  readonly data?: string;
  readonly out: string;
  readonly count: number;
  readonly json?: boolean;
}

/** `maestro reconstruct`: what a checkpoint makes of masked images, as a picture and as numbers. */
export function addReconstructCommand(program: Command): void {
  const command = program
    .command('reconstruct')
    .description('draw what a checkpoint makes of masked images (a PNG: original, masked, prediction, pasted)')
    .argument('<checkpoint>', 'a checkpoint folder, or a job id for its newest valid checkpoint')
    .option('--data <folder>', "images to take (default: the job's own data, of IDX sets the test split)")
    .option('--out <file>', 'where the picture goes', 'reconstruction.png')
    .option('--count <n>', 'images', positiveInteger, 8)
    .option('--json', 'print JSON')
    .action(async (target: string, { data, out, count, json }: ReconstructOptions) => {
      const { loadImages, openDataset } = await import('@maestro/data');
      const { loadCheckpoint, openModel, reconstruct, reconstructionPicture, spread } = await import('@maestro/evaluation');
      const dir = await newestFolder(resolve(program.opts<{ dataDir: string }>().dataDir), target);
      const spec = await readJobSpec(dir);
      const model = await openModel(spec);
      try {
        const { step, checkpointHash } = await loadCheckpoint(model, dir);
        const dataset = await openDataset(await heldOut(spec.data, data));
        const { config, evaluator, normalisation } = model;
        const { imageSize, channels } = config;
        const { images } = await loadImages(dataset, spread(dataset.length, count), {
          imageSize,
          channels: channels as 1 | 3,
          normalisation,
        });
        const result = await reconstruct({ evaluator, config, images, statistics: normalisation, seed: 0 });
        const picture = resolve(out);
        await writeFile(picture, await reconstructionPicture(result, { config, normalisation, rows: count }));
        const { maskedMse, meanFillMse } = result;
        const report = { checkpoint: dir, step, checkpointHash, images: result.count, maskedMse, meanFillMse, picture };
        const text = `step ${step}: squared error on masked patches ${maskedMse.toFixed(5)} over ${result.count} images (filled with the visible mean: ${meanFillMse.toFixed(5)})\n${picture}`;
        process.stdout.write(`${json === true ? JSON.stringify(report) : text}\n`);
      } finally {
        await model.evaluator.close();
      }
    });
  withExamples(command, [
    ['maestro reconstruct JOB', 'see what its newest checkpoint makes of hidden patches'],
    ['maestro reconstruct step-00000100 --data DIR --out a.png', 'any checkpoint, on your own images'],
  ]);
}

/** The data to draw from: a folder that was named, read as the job reads its own, else the job's; of an IDX set the test split. */
async function heldOut(trained: DataSpec, folder: string | undefined): Promise<DataSpec> {
  const path = folder === undefined ? trained.path : resolve(folder);
  await stat(path).catch((error: unknown) => {
    throw new MaestroError('not-found', `reconstruct: ${path}: ${errorMessage(error)}; name a folder of images with --data`, {
      cause: error,
    });
  });
  return trained.format === 'idx' ? { format: 'idx', path, split: 'test' } : { format: trained.format, path };
}
