import { type JobSpec, jobData } from '@maestro/protocol';

/** Groups the keys of an identity by the advice for a difference. */
const ABOUT: Readonly<Record<string, 'version' | 'machine' | 'threads' | 'device' | 'cuda' | 'limit' | 'recipe'>> = {
  ...{ ort: 'version', sharp: 'version', vips: 'version', imageRule: 'version', node: 'version', specHash: 'version' },
  ...{ platform: 'machine', instructions: 'machine' },
  ...{ gpu: 'cuda', cublas: 'cuda', cudnn: 'cuda', tf32: 'cuda', deterministic: 'cuda' },
  ...{ threads: 'threads', device: 'device', engine: 'device', isResident: 'device', maxImagePixels: 'limit' },
  ...{ recipe: 'recipe', recipeModule: 'recipe' },
};

const ADVICE = {
  version: 'run the same version of maestro, with the same Node.js, on all machines',
  machine: 'use machines of one kind of processor, or set resources.allowMixedDevices, which gives up equal bits',
  threads: 'give all workers the same MAESTRO_THREADS',
  device: 'give all workers the same MAESTRO_DEVICE, MAESTRO_ENGINE and MAESTRO_RESIDENT, or set resources.allowMixedDevices',
  cuda: 'use GPUs, CUDA libraries and MAESTRO_CUDA_* settings of one kind, or set resources.allowMixedDevices',
  recipe: 'give all workers the same recipe in MAESTRO_RECIPES: copy the files of its module, and start the worker again',
  limit: 'give all workers the same MAESTRO_MAX_IMAGE_PIXELS',
} as const;

/** Advises what to do when two workers differ in `keys` of their identities; empty when nothing is known. */
export function identityAdvice(spec: JobSpec, keys: readonly string[]): string {
  const all = keys.flatMap((key) => {
    if (key === 'datasetFingerprint') return [compareCopies(spec.data)];
    if (key === 'testFingerprint')
      return jobData(spec)
        .slice(1)
        .map(({ data }) => compareCopies(data));
    if (key === 'checkpointHash') return [`compare what both machines have at ${spec.checkpoint.resumeFrom ?? 'the checkpoint'}`];
    const about = ABOUT[key];
    return about === undefined ? [] : [ADVICE[about]];
  });
  return [...new Set(all)].join('; ');
}

/** The fingerprint covers a part of the data set when some is held out: only the same share reproduces it. */
function compareCopies(data: {
  readonly path: string;
  readonly split?: string | undefined;
  readonly holdOut?: number | undefined;
}): string {
  const path = /^[\w@%+=:,./-]+$/.test(data.path) ? data.path : `'${data.path.replaceAll("'", "'\\''")}'`;
  const share = data.holdOut === undefined ? '' : ` --hold-out ${data.holdOut}`;
  const split = data.split === undefined || data.split === 'train' ? '' : ` --split ${data.split}`;
  return (
    `their copies of ${data.path} are not the same: run \`maestro dataset inspect ${path} --hash${share}${split}\` on both machines and ` +
    'compare the lines (--list FILE writes a line for each image), make the copies the same, and start the worker again'
  );
}
