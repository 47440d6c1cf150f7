/** Returns the job file of the tiny preset with its defaults: eight virtual ranks of eight images per step, no intermediate checkpoint. */
export function tinyJob({ path, steps, maxWorkers }: { readonly path: string; readonly steps: number; readonly maxWorkers: number }) {
  return {
    model: { preset: 'mae_vit_tiny_patch4', channels: 3 },
    data: { format: 'image-folder', path },
    schedule: { steps, microBatch: 8 },
    resources: { virtualRanks: 8, minWorkers: 1, maxWorkers },
    checkpoint: { everySteps: 1_000_000 },
  };
}
