/** Returns a job file that trains in seconds: a real, but small MAE. `overrides` replace whole sections' keys. */
export function smallJob({
  path,
  workers,
  steps = 12,
  checkpoint = {},
  schedule = {},
  sync,
  resources = {},
  model = {},
}: {
  readonly path: string;
  readonly workers: number;
  readonly steps?: number;
  readonly checkpoint?: object;
  readonly schedule?: object;
  readonly sync?: object;
  readonly resources?: object;
  readonly model?: object;
}): Record<string, unknown> {
  return {
    name: 'small',
    model: {
      preset: 'mae_vit_tiny_patch4',
      imageSize: 16,
      channels: 1,
      embedDim: 48,
      depth: 2,
      numHeads: 3,
      decoderEmbedDim: 32,
      decoderDepth: 1,
      decoderNumHeads: 2,
      ...model,
    },
    data: { format: 'idx', path },
    schedule: { steps, microBatch: 8, baseLr: 2e-3, windowSteps: 4, ...schedule },
    resources: { virtualRanks: 8, minWorkers: workers, maxWorkers: workers, ...resources },
    checkpoint: { everySteps: 5, ...checkpoint },
    ...(sync !== undefined && { sync }),
    seed: 3,
  };
}
