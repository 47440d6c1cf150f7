/** A key of our job file, and what to know about it. */
export interface OurWord {
  /** Dotted path, or several with `and` between. */
  readonly path: string;
  readonly note?: string;
}

const BATCH: OurWord = { path: 'schedule.microBatch', note: 'a step takes virtualRanks x microBatch x accumulation images' };
const RATE: OurWord = { path: 'schedule.baseLr', note: 'for a batch of 256; it is scaled by the batch' };
const LENGTH: OurWord = { path: 'schedule.steps' };
const EPOCHS: OurWord = { path: 'schedule.epochs' };
const SIZE: OurWord = { path: 'model.imageSize' };
const ACCUMULATION: OurWord = { path: 'schedule.accumulation' };
const WORKERS: OurWord = {
  path: 'resources.minWorkers and resources.maxWorkers',
  note: 'worker processes; each loads its images without a setting',
};
const GPUS: OurWord = { path: 'resources.maxWorkers', note: 'a worker has one device' };
const DATA: OurWord = { path: 'data.path' };
const CHECKPOINTS: OurWord = { path: 'checkpoint.location' };
const EVERY: OurWord = { path: 'checkpoint.everySteps' };
const RESUME: OurWord = { path: 'checkpoint.resumeFrom' };
const PRESET: OurWord = { path: 'model.preset' };
const NAME: OurWord = { path: 'name' };

/**
 * Words that other training programs use (the MAE reference implementation, timm, Lightning, the Hugging Face Trainer, torchrun), as
 * {@link normalWord} has them.
 */
const FOREIGN: Readonly<Record<string, OurWord>> = {
  batch: BATCH,
  batchsize: BATCH,
  microbatchsize: BATCH,
  trainbatchsize: BATCH,
  perdevicetrainbatchsize: BATCH,
  globalbatch: BATCH,
  globalbatchsize: BATCH,
  lr: RATE,
  blr: RATE,
  learningrate: RATE,
  baselearningrate: RATE,
  maxlr: RATE,
  minlearningrate: { path: 'schedule.minLr' },
  maxsteps: LENGTH,
  numsteps: LENGTH,
  trainsteps: LENGTH,
  totalsteps: LENGTH,
  iterations: LENGTH,
  maxiters: LENGTH,
  numepochs: EPOCHS,
  maxepochs: EPOCHS,
  numtrainepochs: EPOCHS,
  warmup: { path: 'schedule.warmupEpochs', note: 'in epochs, fractions too' },
  warmupsteps: { path: 'schedule.warmupEpochs', note: 'in epochs, fractions too' },
  accumiter: ACCUMULATION,
  gradaccum: ACCUMULATION,
  gradaccumulation: ACCUMULATION,
  gradientaccumulation: ACCUMULATION,
  gradientaccumulationsteps: ACCUMULATION,
  accumulategradbatches: ACCUMULATION,
  wd: { path: 'optimizer.weightDecay' },
  betas: { path: 'optimizer.beta1 and optimizer.beta2' },
  adambeta1: { path: 'optimizer.beta1' },
  adambeta2: { path: 'optimizer.beta2' },
  imgsize: SIZE,
  inputsize: SIZE,
  resolution: SIZE,
  cropsize: SIZE,
  inchans: { path: 'model.channels' },
  inchannels: { path: 'model.channels' },
  maskingratio: { path: 'model.maskRatio' },
  normpix: { path: 'model.normPixLoss' },
  arch: PRESET,
  architecture: PRESET,
  backbone: PRESET,
  modelname: PRESET,
  numworkers: WORKERS,
  workers: WORKERS,
  gpus: GPUS,
  numgpus: GPUS,
  devices: GPUS,
  worldsize: GPUS,
  nprocpernode: GPUS,
  accelerator: { path: 'resources.device' },
  datapath: DATA,
  datadir: DATA,
  dataset: DATA,
  traindir: DATA,
  trainpath: DATA,
  outputdir: CHECKPOINTS,
  outdir: CHECKPOINTS,
  savedir: CHECKPOINTS,
  checkpointdir: CHECKPOINTS,
  ckptdir: CHECKPOINTS,
  saveevery: EVERY,
  savesteps: EVERY,
  savefreq: EVERY,
  savetotallimit: { path: 'checkpoint.keepLast' },
  resume: RESUME,
  ckptpath: RESUME,
  resumefromcheckpoint: RESUME,
  hflip: { path: 'augment.flip' },
  horizontalflip: { path: 'augment.flip' },
  randomseed: { path: 'seed' },
  manualseed: { path: 'seed' },
  jobname: NAME,
  runname: NAME,
  experiment: NAME,
};

/** A word without what spellings differ in: case, dashes, underscores. */
export function normalWord(word: string): string {
  return word.toLowerCase().replace(/[-_\s]/g, '');
}

/** Our word for a key that another program would call so, or that stands in another section of ours; `paths` are all of our keys. */
export function ourWordFor(key: string, paths: readonly string[]): OurWord | undefined {
  const word = normalWord(key);
  const elsewhere = paths.find((path) => normalWord(path.slice(path.lastIndexOf('.') + 1)) === word);
  return (Object.hasOwn(FOREIGN, word) ? FOREIGN[word] : undefined) ?? (elsewhere === undefined ? undefined : { path: elsewhere });
}
