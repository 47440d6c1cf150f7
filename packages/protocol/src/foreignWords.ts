/** A key of our job file, with advice. */
export interface OurWord {
  /** Dotted path, or several joined by `and`. */
  readonly path: string;
  readonly note?: string;
}

/**
 * Our keys, each with the names that other training programs use for it (the MAE reference implementation, timm, Lightning, the Hugging
 * Face Trainer, torchrun), in the form of {@link normalWord}.
 */
const KNOWN: readonly (OurWord & { readonly words: string })[] = [
  {
    words: 'batch batchsize microbatchsize trainbatchsize perdevicetrainbatchsize globalbatch globalbatchsize',
    path: 'schedule.microBatch',
    note: 'a step uses virtualRanks x microBatch x accumulation images',
  },
  { words: 'lr blr learningrate baselearningrate maxlr', path: 'schedule.baseLr', note: 'for a batch of 256; scaled by the batch' },
  { words: 'minlearningrate', path: 'schedule.minLr' },
  { words: 'maxsteps numsteps trainsteps totalsteps iterations maxiters', path: 'schedule.steps' },
  { words: 'numepochs maxepochs numtrainepochs', path: 'schedule.epochs' },
  { words: 'warmup warmupsteps', path: 'schedule.warmupEpochs', note: 'in epochs, fractions too' },
  {
    words: 'accumiter gradaccum gradaccumulation gradientaccumulation gradientaccumulationsteps accumulategradbatches',
    path: 'schedule.accumulation',
  },
  { words: 'wd', path: 'optimizer.weightDecay' },
  { words: 'betas', path: 'optimizer.beta1 and optimizer.beta2' },
  { words: 'adambeta1', path: 'optimizer.beta1' },
  { words: 'adambeta2', path: 'optimizer.beta2' },
  { words: 'imgsize inputsize resolution cropsize', path: 'model.imageSize' },
  { words: 'inchans inchannels', path: 'model.channels' },
  { words: 'maskingratio', path: 'model.maskRatio' },
  { words: 'normpix', path: 'model.normPixLoss' },
  { words: 'arch architecture backbone modelname', path: 'model.preset' },
  {
    words: 'numworkers workers',
    path: 'resources.minWorkers and resources.maxWorkers',
    note: 'number of worker processes; loading needs no setting',
  },
  { words: 'gpus numgpus devices worldsize nprocpernode', path: 'resources.maxWorkers', note: 'a worker has one device' },
  { words: 'accelerator', path: 'resources.device' },
  { words: 'datapath datadir dataset traindir trainpath', path: 'data.path' },
  { words: 'outputdir outdir savedir checkpointdir ckptdir', path: 'checkpoint.location' },
  { words: 'saveevery savesteps savefreq', path: 'checkpoint.everySteps' },
  { words: 'savetotallimit', path: 'checkpoint.keepLast' },
  { words: 'resume ckptpath resumefromcheckpoint', path: 'checkpoint.resumeFrom' },
  { words: 'hflip horizontalflip', path: 'augment.flip' },
  { words: 'randomseed manualseed', path: 'seed' },
  { words: 'jobname runname experiment', path: 'name' },
];

const FOREIGN: ReadonlyMap<string, OurWord> = new Map(
  KNOWN.flatMap(({ words, ...ours }) => words.split(' ').map((word) => [word, ours] as const)),
);

/** Normalises a word: removes case, dashes and underscores. */
export function normalWord(word: string): string {
  return word.toLowerCase().replace(/[-_\s]/g, '');
}

/** Returns our key for one that another program would use, or that belongs to another section of ours; `paths` are all of our keys. */
export function ourWordFor(key: string, paths: readonly string[]): OurWord | undefined {
  const word = normalWord(key);
  const elsewhere = paths.find((path) => normalWord(path.slice(path.lastIndexOf('.') + 1)) === word);
  return FOREIGN.get(word) ?? (elsewhere === undefined ? undefined : { path: elsewhere });
}
