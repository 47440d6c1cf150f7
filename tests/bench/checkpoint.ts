import { openTrainer, type Trainer } from '@maestro/engine';
import { copyFloats } from '@maestro/kernels';
import { buildTrainingModel, flatLayout, keptPatches, maeConfig, parameterSpecs, patchCount, patchLength } from '@maestro/mae';
import { type FormulaInputs, formulaInputs, formulaParameters } from '../support/formula.ts';
import { median } from './median.ts';

const MICRO_BATCH = 8;
const VIRTUAL_RANKS = 4;
const STEPS = 4;
const ADAM_W = { lr: 1e-4, beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0.05 };

export async function benchCheckpoint(): Promise<void> {
  const config = maeConfig({ preset: 'mae_vit_base_patch16' });
  const layout = flatLayout(parameterSpecs(config));
  const { channels, imageSize } = config;
  const trainer = await openTrainer({
    trainingModel: buildTrainingModel(config),
    layout,
    imageShape: [channels, imageSize, imageSize],
    patches: patchCount(config),
    microBatch: MICRO_BATCH,
    maxPartials: 1,
    treeDepth: 2,
  });
  await trainer.load({ parameters: formulaParameters(layout), step: 0 });
  const inputs = formulaInputs(config, MICRO_BATCH);
  const gradScale = 2 / (patchLength(config) * (patchCount(config) - keptPatches(config)) * MICRO_BATCH * VIRTUAL_RANKS);
  for (let step = 1; step <= STEPS; step++) {
    const start = performance.now();
    const { micro, apply } = await trainStep(trainer, inputs, gradScale, step);
    const stepMs = performance.now() - start;
    const before = performance.now();
    await trainer.snapshot();
    const stall = performance.now() - before;
    process.stdout.write(
      `step ${stepMs.toFixed(0)} micro ${micro.map((x) => x.toFixed(0))} apply ${apply.toFixed(0)} snapshot ${stall.toFixed(0)} share ${((100 * stall) / stepMs).toFixed(2)}\n`,
    );
  }
  await trainer.close();
  median([1]);
}

async function trainStep(trainer: Trainer, inputs: FormulaInputs, gradScale: number, step: number) {
  const micro: number[] = [];
  for (let rank = 0; rank < VIRTUAL_RANKS; rank++) {
    micro.push(1000 * (await trainer.forwardBackward({ ...inputs, count: MICRO_BATCH, gradScale })).seconds);
    await trainer.pushLeaf();
    if (rank % 2 === 1) await trainer.mergeTop();
    if (rank === 3) await trainer.mergeTop();
  }
  await trainer.takePartial(0);
  copyFloats(trainer.reduced, trainer.partials[0]!);
  const { seconds } = await trainer.apply({ ...ADAM_W, step });
  return { micro, apply: 1000 * seconds };
}
