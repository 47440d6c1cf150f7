import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { flatTensors, newestValidCheckpoint, writeCheckpoint } from '@maestro/checkpoint';
import type { Trainer, TrainerSnapshot } from '@maestro/engine';
import { copyFloats } from '@maestro/kernels';
import { type MaeConfig, maeConfig, parameterSpecs } from '@maestro/mae';
import { flatLayout, type ParameterLayout } from '@maestro/tensors';
import { formulaBatch, openFormulaTrainer } from '../../support/model/formulaTrainer.ts';

const PRESET = 'mae_vit_base_patch16';
const MICRO_BATCH = 8;
const VIRTUAL_RANKS = 4;
const ADAM_W = { lr: 1e-4, beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0.05 };

/**
 * Measures the cost of a checkpoint for a training run of ViT-B on one thread: how long the memory copy blocks the step loop, compared with
 * a step of four virtual ranks with eight images each; what a step loses to the write in the background; and how long a search for the
 * newest valid checkpoint takes. Without and with memory allocated ahead, as the worker does during the first step.
 */
export async function benchCheckpoint(): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), 'maestro-bench-checkpoint-'));
  try {
    for (const isPrepared of [false, true]) process.stdout.write(`${await benchCase(root, { isPrepared })}\n`);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

async function benchCase(root: string, { isPrepared }: { readonly isPrepared: boolean }): Promise<string> {
  const config = maeConfig({ preset: PRESET });
  const layout = flatLayout(parameterSpecs(config));
  const { trainer, step } = await openSteps(config, layout);
  try {
    const prepared = isPrepared ? trainer.prepareSnapshot() : undefined;
    const { ms: stepMs } = await timed(() => step(1));
    await prepared;
    const first = await timed(() => trainer.snapshot());
    const writing = timed(() => write(root, layout, first.value));
    const { ms: besideMs } = await timed(() => step(2));
    const { ms: writeMs } = await writing;
    const { ms: secondMs } = await timed(() => trainer.snapshot());
    const { ms: verifyMs } = await timed(() => newestValidCheckpoint(root));
    const share = (ms: number): string => `${ms.toFixed(0)} ms (${((100 * ms) / stepMs).toFixed(2)} % of a step)`;
    const title = `checkpoint ${PRESET}, ${isPrepared ? 'memory taken ahead' : 'memory taken at the first snapshot'}`;
    return (
      `${title}: step ${stepMs.toFixed(0)} ms, ${besideMs.toFixed(0)} ms beside a write of ${writeMs.toFixed(0)} ms; first ` +
      `snapshot ${share(first.ms)}, second ${share(secondMs)}; verified in ${verifyMs.toFixed(0)} ms`
    );
  } finally {
    await trainer.close();
  }
}

/** Opens a trainer that has run once, and its training step. */
async function openSteps(
  config: MaeConfig,
  layout: ParameterLayout,
): Promise<{ readonly trainer: Trainer; readonly step: (step: number) => Promise<void> }> {
  const options = { microBatch: MICRO_BATCH, treeDepth: Math.log2(VIRTUAL_RANKS) };
  const trainer = await openFormulaTrainer({ config, layout }, options);
  const batch = formulaBatch(config, MICRO_BATCH, VIRTUAL_RANKS);
  const step = async (number: number): Promise<void> => {
    for (let rank = 0; rank < VIRTUAL_RANKS; rank++) {
      await trainer.forwardBackward(batch);
      await trainer.pushLeaf();
      if (rank % 2 === 1) await trainer.mergeTop();
    }
    await trainer.mergeTop();
    await trainer.takePartial(0);
    copyFloats(trainer.reduced, trainer.partials[0]!);
    await trainer.apply({ ...ADAM_W, step: number });
  };
  await trainer.forwardBackward(batch);
  await trainer.clearTree();
  return { trainer, step };
}

async function write(
  root: string,
  layout: ParameterLayout,
  { step, parameters, firstMoments, secondMoments }: TrainerSnapshot,
): Promise<void> {
  await writeCheckpoint({
    root,
    step,
    parameters: flatTensors(layout, parameters),
    firstMoments: flatTensors(layout, firstMoments),
    secondMoments: flatTensors(layout, secondMoments!),
    state: {},
  });
}

async function timed<Value>(work: () => Promise<Value>): Promise<{ readonly value: Value; readonly ms: number }> {
  const startMs = performance.now();
  const value = await work();
  return { value, ms: performance.now() - startMs };
}
