import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';
import { contentText, type Dataset, datasetParts, loadImages, sampleContent } from '@maestro/data';
import { spread } from '@maestro/evaluation';
import { textTable } from '../terminal/textTable.ts';
import { type DatasetFormat, openAnyDataset } from './openAnyDataset.ts';

/** Report of `dataset inspect`. */
export interface DatasetReport {
  readonly path: string;
  readonly format: DatasetFormat;
  readonly samples: number;
  readonly channels: number;
  readonly fingerprint: string;
  /** The training part and the held-out part of a job that holds a share out, with the fingerprints that workers compare. */
  readonly parts?: {
    readonly holdOut: number;
    readonly training: DatasetPartReport;
    readonly heldOut: DatasetPartReport;
  };
  /** SHA-256 (hex) of every sample's name and bytes in order, if requested. */
  readonly contentSha256?: string;
  /** Samples of each class; empty when there are no classes. */
  readonly classes: readonly { readonly name: string; readonly samples: number }[];
  /** Number of samples test-decoded, and those that could not be decoded. */
  readonly tried: number;
  readonly broken: readonly { readonly name: string; readonly reason: string }[];
}

/** A part of a data set. */
export interface DatasetPartReport {
  readonly samples: number;
  readonly fingerprint: string;
}

/** Options of {@link inspectDataset}. */
export interface InspectDatasetOptions {
  readonly split: string;
  /** Number of images to test-decode. */
  readonly sample: number;
  /** True to read every sample for its SHA-256. */
  readonly hash?: boolean;
  /** File that receives a line for each sample. */
  readonly list?: string | undefined;
  /** Share that the job holds out. */
  readonly holdOut: number;
}

/** Side to which test-decoded images are resized. */
const TRIED_SIZE = 32;
/** Images in memory at a time. */
const BATCH = 64;
const SHOWN_CLASSES = 20;
/** Number of samples announced ahead to a remote data set. */
const READ_AHEAD = 16;

/** Opens whatever is at a location, and test-decodes `sample` of its images. @throws MaestroError `not-found`, `data-invalid`. */
export async function inspectDataset(
  place: string,
  { split, sample, hash = false, list, holdOut }: InspectDatasetOptions,
): Promise<DatasetReport> {
  const { path, format, opened } = await openAnyDataset(place, split);
  const content = hash || list !== undefined ? { contentSha256: await hashAll(opened, list) } : {};
  const parts = format === 'idx' || holdOut === 0 ? {} : { parts: await partsOf(opened, holdOut) };
  return { path, format, ...(await tried(opened, sample)), ...parts, ...content };
}

async function partsOf(dataset: Dataset, holdOut: number): Promise<NonNullable<DatasetReport['parts']>> {
  const { training, heldOut } = await datasetParts(dataset, holdOut);
  const report = ({ length, fingerprint }: Dataset): DatasetPartReport => ({ samples: length, fingerprint });
  return { holdOut, training: report(training), heldOut: report(heldOut) };
}

/**
 * Reads every sample. Two data sets with the same hash have the same names and the same bytes in the same order. `list`: a file that
 * receives content hash, bytes and name of each.
 */
async function hashAll(dataset: Dataset, list: string | undefined): Promise<string> {
  const hash = createHash('sha256');
  const lines = list === undefined ? undefined : createWriteStream(list);
  const written = lines === undefined ? undefined : finished(lines);
  written?.catch(() => undefined); // reported at the end
  for (let index = 0; index < dataset.length; index++) {
    for (let ahead = index; ahead < Math.min(dataset.length, index + READ_AHEAD); ahead++) dataset.prefetch?.(ahead);
    const sample = await dataset.read(index);
    const bytes = sample.kind === 'encoded' ? sample.bytes : sample.kind === 'pixels' ? sample.data : Buffer.from(sample.reason);
    hash.update(`${dataset.name(index)}\0${sample.kind}\0${bytes.length}\0`).update(bytes);
    const line = `${contentText(sampleContent(sample))} ${bytes.length} ${JSON.stringify(dataset.name(index)).slice(1, -1)}\n`;
    if (lines?.write(line) === false) await Promise.race([once(lines, 'drain'), written]);
  }
  lines?.end();
  await written;
  return hash.digest('hex');
}

async function tried(dataset: Dataset, sample: number): Promise<Omit<DatasetReport, 'path' | 'format'>> {
  const { length, channels, classes, fingerprint } = dataset;
  const counts = classes.map(() => 0);
  for (let index = 0; index < length && classes.length > 0; index++) {
    const label = dataset.label(index);
    if (label !== undefined) counts[label]!++;
  }
  const broken: { name: string; reason: string }[] = [];
  const wanted = spread(length, sample);
  for (let first = 0; first < wanted.length; first += BATCH) {
    const indices = wanted.slice(first, first + BATCH);
    const { skipped } = await loadImages(dataset, indices, { imageSize: TRIED_SIZE, channels });
    broken.push(...skipped.map(({ name, reason }) => ({ name, reason })));
  }
  return {
    samples: length,
    channels,
    fingerprint,
    classes: classes.map((name, label) => ({ name, samples: counts[label]! })),
    tried: wanted.length,
    broken,
  };
}

/** Formats the report for a terminal. */
export function datasetText({
  path,
  format,
  samples,
  channels,
  fingerprint,
  parts,
  contentSha256,
  classes,
  tried,
  broken,
}: DatasetReport): string {
  const shown = [...classes].sort((a, b) => b.samples - a.samples).slice(0, SHOWN_CLASSES);
  return [
    `Path:        ${path}`,
    `Job file:    data: { format: ${format}, path: ${path} }`,
    `Samples:     ${samples}, ${channels === 1 ? 'grey' : 'colour'}`,
    `Fingerprint: ${fingerprint}`,
    ...(parts === undefined
      ? []
      : [
          `Trained on:  ${parts.training.samples} with holdOut ${parts.holdOut}, fingerprint ${parts.training.fingerprint}`,
          `Held out:    ${parts.heldOut.samples}${parts.heldOut.samples === 0 ? '' : `, fingerprint ${parts.heldOut.fingerprint}`}`,
        ]),
    ...(contentSha256 === undefined ? [] : [`Content:     sha256 ${contentSha256}`]),
    `Read:        ${tried - broken.length} of ${tried} tried`,
    ...broken.map(({ name, reason }) => `  broken: ${name}: ${reason}`),
    ...(classes.length === 0 ? [] : [`Classes:     ${classes.length} (used for evaluation only, never for pre-training)`]),
    ...(shown.length === 0 ? [] : [textTable([['CLASS', 'SAMPLES'], ...shown.map((each) => [each.name, String(each.samples)])], [1])]),
    ...(classes.length > shown.length ? [`and ${classes.length - shown.length} more classes`] : []),
  ].join('\n');
}
