import type { JobIssue, JobSection, JobSpec, SectionSchemas, TestDataSpec } from '@maestro/protocol';
import { z } from 'zod';

/** The `knn` section. */
export function knnSection({ testData }: SectionSchemas) {
  return z.strictObject({
    k: z.int().positive().default(200).describe('nearest training samples that vote on a test sample (Wu et al. 2018)'),
    temperature: z.number().positive().default(0.07).describe('a vote counts exp(cosine similarity / temperature)'),
    test: testData
      .optional()
      .describe('labelled samples to classify; when left out, the test split of an idx folder, or what data.holdOut holds out'),
  });
}

/** What a k-NN job measures, and how. */
export interface KnnSpec {
  readonly k: number;
  readonly temperature: number;
  readonly test: TestDataSpec;
  /** Folder of the checkpoint. */
  readonly checkpoint: string;
}

/** What a job of this recipe measures. `spec` is valid. */
export function knnOf(spec: JobSpec): KnnSpec {
  const { k, temperature, test } = (spec as JobSpec & { readonly knn: Omit<KnnSpec, 'checkpoint'> }).knn;
  return { k, temperature, test, checkpoint: spec.checkpoint.resumeFrom! };
}

/** What a k-NN job file leaves out and others have another default for: one pass over all samples, by one worker. */
export function withKnnDefaults(input: JobSection): JobSection {
  const { schedule, data } = input;
  const isInSteps = isSection(schedule) && 'steps' in schedule;
  const isTestGiven = isSection(input['knn']) && 'test' in input['knn'];
  return {
    name: 'knn',
    ...input,
    // Nothing is held out of a set that is measured against another one.
    data: isSection(data) && data['format'] !== 'idx' && isTestGiven ? { holdOut: 0, ...data } : data,
    schedule: over({ ...(!isInSteps && { epochs: 1 }), lastBatch: 'keep' }, schedule),
    resources: over({ virtualRanks: 1, maxWorkers: 1 }, input['resources']),
    knn: over(testOf(data), input['knn']),
  };
}

/** What is classified when a file does not say: what of the data is no part of the training. */
function testOf(data: unknown): JobSection {
  if (!isSection(data)) return {};
  if (data['format'] === 'idx') return { test: { ...data, split: 'test' } };
  const { holdOut = 0.01 } = data;
  return holdOut === 0 ? {} : { test: { ...data, holdOut, part: 'held-out' } };
}

/**
 * Keys of other sections that decide something in a k-NN job. All others must be as they are when left out, so that no wish is passed over.
 */
const MEANT: Readonly<Record<string, readonly string[]>> = {
  augment: ['mean', 'std'],
  schedule: ['epochs', 'lastBatch', 'microBatch', 'windowSteps'],
  optimizer: [],
  sync: [],
  checkpoint: ['resumeFrom'],
};

/** What is wrong with a job file's recipe: where, and why. `defaults` are what sections of {@link MEANT} are when left out. */
export function knnIssues(spec: JobSection, defaults: JobSection): JobIssue[] {
  const { knn, data } = spec;
  const issues: JobIssue[] = [];
  const refuse = (path: string[], message: string): void => void issues.push({ path, message });
  for (const [name, meant] of Object.entries(MEANT)) {
    const section = (spec[name] ?? {}) as JobSection;
    for (const key of Object.keys(section)) {
      const isDefault = JSON.stringify(section[key]) === JSON.stringify((defaults[name] as JobSection)[key]);
      if (!meant.includes(key) && !isDefault) refuse([name, key], 'means nothing to recipe knn; leave it out');
    }
  }
  const { schedule, resources, checkpoint } = spec as Readonly<Record<string, JobSection>>;
  if ((schedule!['epochs'] ?? 1) !== 1) refuse(['schedule', 'epochs'], 'expected 1: recipe knn takes each sample once');
  if (schedule!['lastBatch'] !== 'keep') refuse(['schedule', 'lastBatch'], 'expected keep: recipe knn takes every sample');
  if (resources!['maxWorkers'] !== 1) refuse(['resources', 'maxWorkers'], 'expected 1: recipe knn keeps all features with one worker');
  if (checkpoint!['resumeFrom'] === undefined) {
    refuse(['checkpoint', 'resumeFrom'], 'recipe knn needs the checkpoint folder whose encoder is measured');
  }
  const { test } = knn as JobSection;
  if (test === undefined) refuse(['knn', 'test'], 'give labelled samples to classify: this data has no test split of its own');
  if (areSame(test as JobSection | undefined, data as JobSection)) {
    refuse(['knn', 'test'], 'expected other samples than those of data, which would be their own nearest neighbours');
  }
  return issues;
}

/** Whether samples that are classified are among those of `data`. */
function areSame(test: JobSection | undefined, data: JobSection): boolean {
  const isPart = test?.['part'] === 'held-out' && test['holdOut'] === data['holdOut'];
  return !isPart && ['format', 'path', 'split'].every((key) => test?.[key] === data[key]);
}

/** `given` over `defaults`; what is no section is left for the schema to refuse. */
function over(defaults: JobSection, given: unknown): unknown {
  if (given === undefined) return defaults;
  return isSection(given) ? { ...defaults, ...given } : given;
}

function isSection(value: unknown): value is JobSection {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
