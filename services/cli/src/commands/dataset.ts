import type { Dataset } from '@maestro/data';
import type { Command } from 'commander';
import { withExamples } from '../examples.ts';
import type { DatasetFormat } from '../openAnyDataset.ts';
import { positiveInteger } from '../options.ts';
import { textTable } from '../textTable.ts';
import { addPackCommand } from './pack.ts';

interface InspectOptions {
  readonly split: string;
  readonly sample: number;
  readonly json?: boolean;
}

/** What `dataset inspect` finds. */
interface DatasetReport {
  readonly path: string;
  readonly format: DatasetFormat;
  readonly samples: number;
  readonly channels: number;
  readonly fingerprint: string;
  /** Samples of each class; empty where there are no classes. */
  readonly classes: readonly { readonly name: string; readonly samples: number }[];
  /** Samples that were decoded to try, and those that could not be. */
  readonly tried: number;
  readonly broken: readonly { readonly name: string; readonly reason: string }[];
}

/** The side to which images are decoded when they are only tried. */
const TRIED_SIZE = 32;
/** Images in memory at a time. */
const BATCH = 64;
const SHOWN_CLASSES = 20;

/** `maestro dataset inspect|pack`: what a job would find in a folder, and shards of it; needs no cluster. */
export function addDatasetCommand(program: Command): void {
  const dataset = program.command('dataset').description('look at images before a job trains on them, and pack them');
  const command = dataset
    .command('inspect')
    .description('what is in a data set: format, samples, classes, fingerprint, and whether a sample of its images can be read')
    .argument(
      '<folder>',
      'folder of images (sub-folders are classes), of IDX files, or a packed data set: a folder, s3://bucket/prefix, http(s)://.../index.json',
    )
    .option('--split <split>', 'of an IDX set: train or test', 'train')
    .option('--sample <n>', 'images to decode, spread evenly over the set', positiveInteger, 200)
    .option('--json', 'print JSON')
    .action(async (folder: string, { split, sample, json }: InspectOptions) => {
      const { openAnyDataset } = await import('../openAnyDataset.ts');
      const { path, format, opened } = await openAnyDataset(folder, split);
      const report = { path, format, ...(await inspect(opened, sample)) };
      process.stdout.write(`${json === true ? JSON.stringify(report) : reportText(report)}\n`);
      if (report.broken.length > 0) process.exitCode = 1;
    });
  withExamples(command, [
    ['maestro dataset inspect /data/images', 'before the first job'],
    ['maestro dataset inspect /data/images --sample 100000', 'decode (up to) every image'],
    ['maestro dataset inspect DIR --json | jq .fingerprint', 'whether two copies are the same'],
  ]);
  addPackCommand(dataset);
}

async function inspect(dataset: Dataset, sample: number): Promise<Omit<DatasetReport, 'path' | 'format'>> {
  const { loadImages } = await import('@maestro/data');
  const { spread } = await import('@maestro/evaluation');
  const { length, channels, classes, fingerprint } = dataset;
  const counts = classes.map(() => 0);
  for (let index = 0; index < length && classes.length > 0; index++) {
    const label = dataset.label(index);
    if (label !== undefined) counts[label]!++;
  }
  const tried = Math.min(length, sample);
  const broken: { name: string; reason: string }[] = [];
  const wanted = spread(length, sample);
  for (let first = 0; first < tried; first += BATCH) {
    const indices = wanted.slice(first, first + BATCH);
    const { skipped } = await loadImages(dataset, indices, { imageSize: TRIED_SIZE, channels });
    broken.push(...skipped.map(({ name, reason }) => ({ name, reason })));
  }
  return {
    samples: length,
    channels,
    fingerprint,
    classes: classes.map((name, label) => ({ name, samples: counts[label]! })),
    tried,
    broken,
  };
}

function reportText({ path, format, samples, channels, fingerprint, classes, tried, broken }: DatasetReport): string {
  const shown = [...classes].sort((a, b) => b.samples - a.samples).slice(0, SHOWN_CLASSES);
  return [
    `Path:        ${path}`,
    `Job file:    data: { format: ${format}, path: ${path} }`,
    `Samples:     ${samples}, ${channels === 1 ? 'grey' : 'colour'}`,
    `Fingerprint: ${fingerprint}`,
    `Read:        ${tried - broken.length} of ${tried} that were tried`,
    ...broken.map(({ name, reason }) => `  broken: ${name}: ${reason}`),
    ...(classes.length === 0 ? [] : [`Classes:     ${classes.length} (used to measure only, never to pre-train)`]),
    ...(shown.length === 0 ? [] : [textTable([['CLASS', 'SAMPLES'], ...shown.map((each) => [each.name, String(each.samples)])], [1])]),
    ...(classes.length > shown.length ? [`and ${classes.length - shown.length} more classes`] : []),
  ].join('\n');
}
