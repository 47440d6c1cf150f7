import { momentCount, optimizerSection } from '@maestro/optim/section';
import { z } from 'zod';
import { MaestroError } from '../errors.ts';
import { DEVICES } from '../process/device.ts';
import type { JobSection, RecipeInfo, SectionSchemas } from './recipe.ts';
import { ownIssues, withOwnChecks, withOwnDefaults } from './recipeAnswers.ts';
import { isLoaded, recipeInfos, recipeOf, sealRecipes } from './recipeRegistry.ts';
import { describeIssues } from './schemaIssues.ts';

const count = z.int().positive();

/** Waiting for an hour counts as much as one priority: with these bounds every job's turn comes. */
const MOST_PRIORITY = 100;

/** Names of the model presets; their shapes are in @maestro/mae. */
const PRESET_NAMES = ['mae_vit_tiny_patch4', 'mae_vit_base_patch16', 'mae_vit_large_patch16', 'mae_vit_huge_patch14'] as const;

const model = z.strictObject({
  preset: z.enum(PRESET_NAMES).default('mae_vit_base_patch16').describe('model shape; the other keys override it'),
  imageSize: count.max(1024).optional().describe('pixels per side; a multiple of patchSize'),
  channels: z.literal([1, 3]).optional().describe('1 grey, 3 RGB'),
  patchSize: count.optional(),
  embedDim: count.optional().describe('width of the encoder; a multiple of numHeads, and of 4'),
  depth: count.optional(),
  numHeads: count.optional(),
  decoderEmbedDim: count.optional(),
  decoderDepth: count.optional(),
  decoderNumHeads: count.optional(),
  mlpRatio: count.optional(),
  maskRatio: z.number().gt(0).lt(1).default(0.75).describe('share of the patches to hide'),
  masking: z.literal('random').default('random'),
  normPixLoss: z.boolean().default(true).describe('predict patches normalised by their own mean and standard deviation'),
});

/** Recipe of a job that names none. */
const DEFAULT_RECIPE = 'mae-pretrain';

/** Location and format of the images. `part` applies to sets without a test split of their own. */
const dataIn = <Part extends z.ZodRawShape>(part: Part) =>
  z.discriminatedUnion('format', [
    z.strictObject({
      format: z.literal('idx'),
      path: z.string().min(1).describe('folder with train-images-idx3-ubyte and its siblings, plain or .gz'),
      split: z.enum(['train', 'test']).default('train'),
    }),
    z.strictObject({
      format: z.literal('image-folder'),
      path: z.string().min(1).describe('folder of images; sub-folders are classes'),
      ...part,
    }),
    z.strictObject({
      format: z.literal('webdataset'),
      path: z
        .string()
        .min(1)
        .describe(
          'tar shards that `maestro dataset pack` wrote: a folder, s3://bucket/prefix, or http(s)://.../index.json, read as they are ' +
            'needed; of others without an index a folder or s3://',
        ),
      ...part,
    }),
  ]);

/** Default share of a data set that jobs hold out. */
export const DEFAULT_HOLD_OUT = 0.01;

const holdOut = z
  .number()
  .min(0)
  .max(0.5)
  .describe(
    'share of the images in the held-out set, which is never trained on and used for reconstructions; chosen by content; 0 trains on all',
  );
const data = dataIn({ holdOut: holdOut.default(DEFAULT_HOLD_OUT) });
const testData = dataIn({
  part: z.enum(['all', 'held-out']).default('all').describe('all images, or the held-out set of a job with this holdOut'),
  holdOut: holdOut.optional(),
});

/** What recipes build the schemas of their sections from. */
export const SECTION_SCHEMAS: SectionSchemas = { testData, z };

const augment = z.strictObject({
  scale: z
    .tuple([z.number().gt(0).max(1), z.number().gt(0).max(1)])
    .default([0.2, 1])
    .describe('area of the crop, as a share of the image'),
  ratio: z
    .tuple([z.number().gt(0), z.number().gt(0)])
    .default([3 / 4, 4 / 3])
    .describe('width over height of the crop'),
  flip: z.boolean().default(true).describe('mirror images horizontally with probability 1/2, drawn anew in each epoch'),
  mean: z.array(z.number()).optional().describe('per channel, of values in 0..1'),
  std: z.array(z.number().positive()).optional().describe('per channel, of values in 0..1'),
});

const schedule = z.strictObject({
  epochs: count.optional().describe('length of the training; set this or steps'),
  steps: count.optional().describe('length of the training; set this or epochs'),
  warmupEpochs: z.number().min(0).optional().describe('linear warm-up; default 5 % of the training'),
  baseLr: z.number().positive().default(1.5e-4).describe('learning rate at a global batch of 256; scaled linearly'),
  minLr: z.number().min(0).default(0),
  microBatch: count.max(16_384).default(64).describe('images per run of the training graph'),
  accumulation: count.default(1).describe('gradient accumulation: runs per virtual rank and step'),
  lastBatch: z.enum(['drop', 'keep']).default('drop').describe('what to do with an incomplete last batch of an epoch'),
  windowSteps: count.max(4096).default(32).describe('steps whose data is leased at once'),
});

/** Most virtual ranks of a job. */
const MOST_VIRTUAL_RANKS = 1024;
/** Most workers of a job: every pair of a view's members is connected, each way. */
export const MOST_WORKERS = 64;

const resources = z.strictObject({
  virtualRanks: count.max(MOST_VIRTUAL_RANKS).default(8).describe('fixed logical ranks; at least maxWorkers'),
  minWorkers: count.default(1),
  maxWorkers: count.optional().describe(`default: virtualRanks, or sync.replicas; at most ${MOST_WORKERS}`),
  device: z.enum(DEVICES).default('cpu'),
  allowMixedDevices: z
    .boolean()
    .default(false)
    .describe('also use workers with other devices; the weights then depend on the assignment, and the bits are not reproducible'),
});

const allGather = z
  .enum(['f32', 'bf16'])
  .default('f32')
  .describe('data type of the all-gather; bf16 halves its bytes and rounds every sum, identically on any number of workers');

/** What a job's layers can be made of: ONNX's own operators, or native ones and how these take their products. */
export const JOB_PRECISIONS = ['standard', 'float32', 'float32-x3', 'bfloat16'] as const;

/** A name in {@link JOB_PRECISIONS}: what `auto` becomes when the job first starts. */
export type JobPrecision = (typeof JOB_PRECISIONS)[number];

const precision = z
  .enum(['auto', ...JOB_PRECISIONS])
  .default('standard')
  .describe(
    "what takes the model's products: standard, ONNX Runtime's operators, on any machine; or native operators, whose bits depend neither on " +
      'threads nor on the instruction set: float32, float32-x3 (float32 from three products of bfloat16), bfloat16; auto is decided when the ' +
      'job first starts: float32 if all workers that could serve it have native operators, else standard',
  );

/** Combines the virtual ranks' work into one set of parameters. */
const sync = z.discriminatedUnion('mode', [
  z.strictObject({ mode: z.literal('allReduce').default('allReduce').describe('all-reduce the gradients in every step'), allGather }),
  z.strictObject({
    mode: z
      .literal('diloco')
      .describe('DiLoCo: replicas train independently and are averaged every innerSteps steps (Douillard et al. 2023)'),
    allGather,
    replicas: count.describe('number of replicas, with equally many virtual ranks each; at least maxWorkers'),
    innerSteps: count.default(50).describe('steps between averages'),
    outerLr: z.number().positive().default(0.7),
    outerMomentum: z.number().min(0).lt(1).default(0.9).describe('Nesterov'),
  }),
]);

const checkpoint = z.strictObject({
  everySteps: count.default(200).describe('steps between checkpoints; one is always written at the end'),
  keepLast: count.default(3).describe('number of newest checkpoints to keep; at least 2, so that damage to one does not lose the run'),
  keepEveryEpochs: count.optional().describe('also write a checkpoint after this many epochs each, and keep it permanently'),
  keepBest: count.optional().describe('also keep this many checkpoints with the lowest loss'),
  location: z
    .string()
    .regex(/^(\/|s3:\/\/[a-z0-9])/, 'expected an absolute path or s3://bucket/prefix')
    .optional()
    .describe("location of checkpoints, each job's below its id: an absolute path, or s3://bucket/prefix; default: MAESTRO_CHECKPOINTS"),
  resumeFrom: z
    .string()
    .min(1)
    .optional()
    .describe('checkpoint to continue from: a folder, or s3://bucket/prefix/job/step; for recipe knn, the one to evaluate'),
  resumeAnyway: z
    .boolean()
    .default(false)
    .describe(
      'continue from that checkpoint even if its job file, data or versions differ; the bits then differ from an uninterrupted run',
    ),
});

/** The `sync` section of a file without one. */
const PLAIN_SYNC = { mode: 'allReduce' } as const;

/** The `optimizer` section of a file that has none. */
export const PLAIN_OPTIMIZER = { name: 'adamw' } as const;

/** What all recipes have in common. */
const commonSchema = z.strictObject({
  name: z.string().min(1).max(100).default('mae'),
  priority: z
    .int()
    .min(-MOST_PRIORITY)
    .max(MOST_PRIORITY)
    .default(0)
    .describe('jobs of higher priority get workers first; jobs of lower priority are paused for them and resume later'),
  recipe: z.string().default(DEFAULT_RECIPE),
  model: model.prefault({}),
  data,
  augment: augment.prefault({}),
  schedule: schedule.prefault({}),
  optimizer: optimizerSection.prefault(PLAIN_OPTIMIZER),
  resources: resources.prefault({}),
  precision,
  sync: sync.prefault(PLAIN_SYNC),
  checkpoint: checkpoint.prefault({}),
  seed: z.int().min(0).default(0),
});

/** Keys of a job file that all recipes have in common. */
export const COMMON_SECTIONS: readonly string[] = Object.keys(commonSchema.shape);

/** Reports combinations of sections that contradict each other. */
function commonIssues(
  { schedule, resources, precision, augment, sync, optimizer }: JobSpec,
  refuse: (path: string[], message: string) => void,
): void {
  if ((schedule.epochs === undefined) === (schedule.steps === undefined)) refuse(['schedule'], 'set either epochs or steps');
  const maxWorkers = resources.maxWorkers ?? Math.min(resources.virtualRanks, MOST_WORKERS);
  if (maxWorkers > resources.virtualRanks) {
    refuse(['resources', 'maxWorkers'], `at most virtualRanks (${resources.virtualRanks}), found ${maxWorkers}`);
  } else if (maxWorkers > MOST_WORKERS) {
    refuse(['resources', 'maxWorkers'], `at most ${MOST_WORKERS}, because every pair of a job's workers is connected; found ${maxWorkers}`);
  }
  if (resources.minWorkers > maxWorkers)
    refuse(['resources', 'minWorkers'], `at most maxWorkers (${maxWorkers}), found ${resources.minWorkers}`);
  if (sync.mode === 'diloco') {
    const { replicas } = sync;
    if (resources.virtualRanks % replicas !== 0) {
      refuse(['sync', 'replicas'], `expected a divisor of resources.virtualRanks (${resources.virtualRanks}), found ${replicas}`);
    } else if ((resources.maxWorkers ?? 0) > replicas) {
      const found = resources.maxWorkers;
      refuse(['resources', 'maxWorkers'], `at most sync.replicas (${replicas}), because a worker owns whole replicas, found ${found}`);
    } else if (resources.minWorkers > replicas) {
      refuse(['resources', 'minWorkers'], `at most sync.replicas (${replicas}), found ${resources.minWorkers}`);
    }
  }
  const isPlain = sync.mode === 'allReduce' && sync.allGather === 'f32';
  if (optimizer.state === 'sharded' && !isPlain) {
    refuse(['optimizer', 'state'], `sharded needs sync.mode allReduce and sync.allGather f32, found ${sync.mode} and ${sync.allGather}`);
  }
  // As torch.optim.SGD: without momentum there is nothing to look ahead by.
  if (optimizer.name === 'sgd' && optimizer.nesterov && optimizer.momentum === 0) {
    refuse(['optimizer', 'nesterov'], 'expected false, or a momentum above 0, found true with momentum 0');
  }
  if (precision !== 'standard' && precision !== 'auto' && resources.device !== 'cpu') {
    refuse(['precision'], `${precision} is for resources.device cpu; found ${resources.device}`);
  }
  for (const key of ['scale', 'ratio'] as const) {
    if (augment[key][0] > augment[key][1]) refuse(['augment', key], `expected [low, high], found [${augment[key].join(', ')}]`);
  }
}

/** Sections that a file leaves out. */
const DEFAULTS = {
  augment: augment.parse({}),
  schedule: schedule.parse({}),
  optimizer: optimizerSection.parse(PLAIN_OPTIMIZER),
  sync: sync.parse(PLAIN_SYNC),
  checkpoint: checkpoint.parse({}),
};

/** A validated job file with every default filled in. Sections of recipes are separate; the recipe defines their types. */
export type JobSpec = z.infer<typeof commonSchema>;

/**
 * Schema of a job file with every default filled in: common sections, and one for each recipe that has its own. Recipes must be registered
 * before its first use.
 */
export const jobSpecSchema: z.ZodType<JobSpec> = z.lazy(specSchema);

function specSchema() {
  const infos = sealRecipes();
  const sections = infos.flatMap(({ id, section }) =>
    section === undefined ? [] : [[section.key, section.schema(SECTION_SCHEMAS).optional().describe(`for recipe ${id}`)] as const],
  );
  const recipe = z
    .enum(infos.map(({ id }) => id))
    .default(DEFAULT_RECIPE)
    .describe(infos.map(({ id, does }) => `${id} ${does}`).join('; '));
  return z.strictObject({ ...commonSchema.shape, recipe, ...Object.fromEntries(sections) }).superRefine((spec, context) => {
    const refuse = (path: string[], message: string) => context.addIssue({ code: 'custom', path, message });
    for (const { id, section } of infos)
      if (section !== undefined && id !== spec.recipe && section.key in spec) refuse([section.key], `only with recipe ${id}`);
    for (const { path, message } of ownIssues(recipeOf(spec), spec, DEFAULTS)) refuse(path, message);
    commonIssues(spec, refuse);
  });
}

/** Schema of the job file: everything that decides a run. Unknown keys are refused; defaults are the paper's where it has them. */
export const jobFileSchema = z.preprocess(withRecipeDefaults, jobSpecSchema);

/** Schema of the job file of a stored job, which may be of a recipe that is not loaded here. */
export const storedSpecSchema = z.lazy(() =>
  z.union([specSchema(), z.record(z.string(), z.unknown()).describe('of a recipe that is not loaded here')]),
) as unknown as z.ZodType<JobSpec>;

/** Fills in omitted values whose default depends on the recipe. Input that is not a job file is left for the schema to refuse. */
function withRecipeDefaults(input: unknown): unknown {
  const info = infoOf(input);
  return info === undefined ? input : withOwnDefaults(info, input as JobSection);
}

/** Returns the recipe that a job file names, when it is a file and the recipe is loaded. */
function infoOf(input: unknown): RecipeInfo | undefined {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) return undefined;
  const { recipe: id = DEFAULT_RECIPE } = input as JobSection;
  return recipeInfos().find((each) => each.id === id);
}

/** A data set that a job names: its place in the file, and the section there. */
export interface JobData {
  readonly place: readonly string[];
  readonly data: DataSpec | TestDataSpec;
}

/** Returns all data sets that a job names: the first is `data`. */
export function jobData(spec: JobSpec): readonly [JobData, ...JobData[]] {
  const more = recipeOf(spec).dataPlaces.flatMap((place) => {
    const data = at(spec, place);
    return data === undefined ? [] : [{ place, data: data as TestDataSpec }];
  });
  return [{ place: ['data'], data: spec.data }, ...more];
}

/** Returns the value at a place of a job file, validated or not; undefined when there is none. */
export function at(file: object, place: readonly string[]): unknown {
  return place.reduce<unknown>(
    (value, key) => (typeof value === 'object' && value !== null ? (value as JobSection)[key] : undefined),
    file,
  );
}

/** The `sync` section of a job whose replicas train apart. */
export type DilocoSpec = Extract<JobSpec['sync'], { mode: 'diloco' }>;

/** Returns the `sync` section when the job's replicas train apart. */
export function dilocoOf({ sync }: Pick<JobSpec, 'sync'>): DilocoSpec | undefined {
  return sync.mode === 'diloco' ? sync : undefined;
}

/** Returns true when the optimizers of two jobs keep the same moments. */
export function haveSameMoments(a: Pick<JobSpec, 'optimizer'>, b: Pick<JobSpec, 'optimizer'>): boolean {
  return momentCount(a.optimizer) === momentCount(b.optimizer);
}

/** Location of a job's images. */
export type DataSpec = JobSpec['data'];

/** Location of the images that a k-NN job classifies. */
export type TestDataSpec = z.infer<typeof testData>;

/** A name in {@link PRESET_NAMES}. */
export type PresetName = (typeof PRESET_NAMES)[number];

/**
 * Validates a job file and fills in its defaults.
 * @throws MaestroError `invalid-argument` that lists every problem with its path, the value found and the values allowed.
 */
export function parseJobSpec(input: unknown): JobSpec {
  const result = withOwnChecks(infoOf(input), () => jobFileSchema.safeParse(input));
  if (result.success) return result.data;
  const issues = describeIssues(result.error, jobFileSchema, withRecipeDefaults(input));
  throw new MaestroError('invalid-argument', `job file: ${issues.join('; ')}`, { details: { issues } });
}

/** A stored job's file, and why its job cannot run in this process; `problem` is absent when it can. */
export interface StoredSpec {
  readonly spec: JobSpec;
  readonly problem?: string;
}

/**
 * Reads the file of a job that was admitted earlier, perhaps by a process with other recipes. What all jobs have in common must be valid.
 * @throws MaestroError `invalid-argument` when it is not.
 */
export function readStoredSpec(input: unknown): StoredSpec {
  try {
    return { spec: parseJobSpec(input) };
  } catch (error) {
    if (!(error instanceof MaestroError)) throw error;
    const common = z.looseObject(commonSchema.shape).safeParse(input);
    if (!common.success) throw error;
    const spec: JobSpec = common.data;
    const problem = isLoaded(spec)
      ? `its job file does not go with recipe "${spec.recipe}" as it is loaded here: ${error.message.replace(/^job file: /, '')}`
      : `recipe "${spec.recipe}" is not loaded here: set MAESTRO_RECIPES to its module, and start the coordinator again`;
    return { spec, problem };
  }
}
