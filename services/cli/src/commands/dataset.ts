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

/** `maestro dataset inspect|pack`: what a job would find in a folder, and shards of it; needs no cluster. */
export function addDatasetCommand(program: Command): void {
  const dataset = program.command('dataset').description('look at images before a job trains on them, and pack them');
  const command = dataset
    .command('inspect')
    .description('what is in a data set: format, samples, classes, fingerprint, and whether a sample of its images can be read')
    .argument(
      '<folder>',
      'folder of images (sub-folders are classes), of IDX files, or a packed data set: a folder, s3://bucket/prefix, ' +
        'http(s)://.../index.json',
    )
    .option('--split <split>', 'of an IDX set: train or test', 'train')
    .option('--sample <n>', 'images to decode, spread evenly over the set', positiveInteger, 200)
    .option('--hash', 'read every sample, and print the SHA-256 of all names and bytes')
    .option('--list <file>', 'read every sample, and write a line for each: content hash, bytes, name; to be compared with another copy')
    .option(
      '--hold-out <share>',
      'data.holdOut of the job, whose fingerprint workers compare; 0 holds nothing out',
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
    ['maestro dataset inspect /data/images --sample 100000', 'decode (up to) every image'],
    ['maestro dataset inspect DIR --hash', 'on each machine: whether two copies are the same to the byte'],
  ]);
  addPackCommand(dataset);
}
