import { z } from 'zod';
import type { DataSpec, JobSpec } from './jobSpec.ts';

type Section = Readonly<Record<string, unknown>>;

/** The `knn` section; `dataSchema` says where labelled samples can lie. */
export function knnSection<Data extends z.ZodType>(dataSchema: Data) {
  return z.strictObject({
    k: z.int().positive().default(200).describe('nearest training samples that vote on a test sample (Wu et al. 2018)'),
    temperature: z.number().positive().default(0.07).describe('a vote counts exp(cosine similarity / temperature)'),
    test: dataSchema.optional().describe('labelled samples to classify; of an idx folder the test split when left out'),
  });
}

/** What a k-NN job measures, and how. */
export interface KnnSpec {
  readonly k: number;
  readonly temperature: number;
  readonly test: DataSpec;
  /** Folder of the checkpoint. */
  readonly checkpoint: string;
}

/** What a job measures, when its recipe is knn. */
export function knnOf({ recipe, knn, checkpoint }: Pick<JobSpec, 'recipe' | 'knn' | 'checkpoint'>): KnnSpec | undefined {
  if (recipe !== 'knn') return undefined;
  const { k, temperature, test } = knn!;
  return { k, temperature, test: test!, checkpoint: checkpoint.resumeFrom! };
}

/** What a k-NN job file leaves out and others have another default for: one pass over all samples, by one worker. */
export function withKnnDefaults(input: unknown): unknown {
  if (!isSection(input) || input['recipe'] !== 'knn') return input;
  const { schedule, data } = input;
  const isInSteps = isSection(schedule) && 'steps' in schedule;
  const hasTestSplit = isSection(data) && data['format'] === 'idx';
  return {
    name: 'knn',
    ...input,
    schedule: over({ ...(!isInSteps && { epochs: 1 }), lastBatch: 'keep' }, schedule),
    resources: over({ virtualRanks: 1, maxWorkers: 1 }, input['resources']),
    knn: over(hasTestSplit ? { test: { ...data, split: 'test' } } : {}, input['knn']),
  };
}

/** Keys of other sections that decide something in a k-NN job. All others must be as they are when left out, so that no wish is passed over. */
const MEANT: Readonly<Record<string, readonly string[]>> = {
  augment: ['mean', 'std'],
  schedule: ['epochs', 'lastBatch', 'microBatch', 'windowSteps'],
  optimizer: [],
  sync: [],
  checkpoint: ['resumeFrom'],
};

/** What is wrong with a job file's recipe: where, and why. `defaults` are what sections of {@link MEANT} are when left out. */
export function knnIssues(spec: Section, defaults: Section): { readonly path: string[]; readonly message: string }[] {
  const { knn, data } = spec;
  if (spec['recipe'] !== 'knn') return knn === undefined ? [] : [{ path: ['knn'], message: 'only with recipe knn' }];
  const issues: { path: string[]; message: string }[] = [];
  const refuse = (path: string[], message: string): void => void issues.push({ path, message });
  for (const [name, meant] of Object.entries(MEANT)) {
    const section = (spec[name] ?? {}) as Section;
    for (const key of Object.keys(section)) {
      const isDefault = JSON.stringify(section[key]) === JSON.stringify((defaults[name] as Section)[key]);
      if (!meant.includes(key) && !isDefault) refuse([name, key], 'means nothing to recipe knn; leave it out');
    }
  }
  const { schedule, resources, checkpoint } = spec as Readonly<Record<string, Section>>;
  if ((schedule!['epochs'] ?? 1) !== 1) refuse(['schedule', 'epochs'], 'expected 1: recipe knn takes each sample once');
  if (schedule!['lastBatch'] !== 'keep') refuse(['schedule', 'lastBatch'], 'expected keep: recipe knn takes every sample');
  if (resources!['maxWorkers'] !== 1) refuse(['resources', 'maxWorkers'], 'expected 1: recipe knn keeps all features with one worker');
  if (checkpoint!['resumeFrom'] === undefined) {
    refuse(['checkpoint', 'resumeFrom'], 'recipe knn needs the checkpoint folder whose encoder is measured');
  }
  const { test } = knn as Section;
  if (test === undefined) refuse(['knn', 'test'], 'give labelled samples to classify: this data has no test split of its own');
  if (JSON.stringify(test) === JSON.stringify(data)) {
    refuse(['knn', 'test'], 'expected other samples than those of data, which would be their own nearest neighbours');
  }
  return issues;
}

/** `given` over `defaults`; what is no section is left for the schema to refuse. */
function over(defaults: Section, given: unknown): unknown {
  if (given === undefined) return defaults;
  return isSection(given) ? { ...defaults, ...given } : given;
}

function isSection(value: unknown): value is Section {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
