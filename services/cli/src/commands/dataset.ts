import { DEFAULT_HOLD_OUT } from '@maestro/protocol';
import type { Command } from 'commander';
import { withExamples } from '../job/examples.ts';
import { positiveInteger, share } from '../terminal/options.ts';
import { printResult } from '../terminal/printResult.ts';
import { addPackCommand } from './pack.ts';

interface InspectOptions {
  readonly split: string;
  readonly sample: number;
  readonly hash?: boolean;
  readonly list?: string;
  readonly holdOut: number;
  readonly json?: boolean;
}

/** Adds `maestro dataset inspect|pack`: shows what a job would find in a folder, and packs it into shards; needs no cluster. */
export function addDatasetCommand(program: Command): void {
  const dataset = program.command('dataset').description('inspect a data set before training on it, and pack it into shards');
  const command = dataset
    .command('inspect')
    .description("show a data set's format, samples, classes and fingerprint, and test-decode some of its images")
    .argument(
      '<folder>',
      'folder of images (sub-folders are classes), of IDX files, or a packed data set: a folder, s3://bucket/prefix, ' +
        'http(s)://.../index.json',
    )
    .option('--split <split>', 'for an IDX set: train or test', 'train')
    .option('--sample <n>', 'number of images to decode, spread evenly over the set', positiveInteger, 200)
    .option('--hash', 'read every sample and print the SHA-256 of all names and bytes')
    .option('--list <file>', 'read every sample and write one line each (content hash, bytes, name), to compare with another copy')
    .option(
      '--hold-out <share>',
      "the job's data.holdOut, which is part of the fingerprint that workers compare; 0 holds nothing out",
      share,
      DEFAULT_HOLD_OUT,
    )
    .option('--json', 'print JSON')
    .action(async (folder: string, { split, sample, hash, list, holdOut, json }: InspectOptions) => {
      const { datasetText, inspectDataset } = await import('../dataset/datasetReport.ts');
      const report = await inspectDataset(folder, { split, sample, ...(hash !== undefined && { hash }), list, holdOut });
      printResult(json, report, datasetText);
      if (report.broken.length > 0) process.exitCode = 1;
    });
  withExamples(command, [
    ['maestro dataset inspect /data/images', 'before the first job'],
    ['maestro dataset inspect /data/images --sample 100000', 'decode every image (up to this many)'],
    ['maestro dataset inspect DIR --hash', 'run on each machine to check that copies are identical'],
  ]);
  addPackCommand(dataset);
}
