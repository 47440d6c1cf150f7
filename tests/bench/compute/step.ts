import { openTrainer } from '@maestro/engine';
import { buildEvalModel, buildTrainingModel, maeConfig, maskedInputs, parameterSpecs } from '@maestro/mae';
import { buildOptimizerModel } from '@maestro/optim';
import type { PresetName } from '@maestro/protocol';
import { flatLayout } from '@maestro/tensors';
import { formulaParameters } from '../../support/model/formula.ts';
import { formulaBatch } from '../../support/model/formulaTrainer.ts';
import { median } from '../median.ts';
import { hasTorch, type LineServer, startLineServer } from './python.ts';

interface StepCase {
  /** The case's name in torch_step.py. */
  readonly name: 'tiny' | 'vitB';
  readonly preset: PresetName;
  readonly batch: number;
  readonly runs: number;
}

const CASES: readonly StepCase[] = [
  { name: 'tiny', preset: 'mae_vit_tiny_patch4', batch: 64, runs: 21 },
  { name: 'vitB', preset: 'mae_vit_base_patch16', batch: 4, runs: 9 },
];
const WARM_UP_RUNS = 2;

/**
 * Compares one forward and backward pass on one thread, ours and PyTorch's in turn on the same weights and inputs, with the medians of both
 * and of the ratio pair by pair; also measures building the artifacts and loading the training model.
 */
export async function benchStep(): Promise<void> {
  const torch = hasTorch() ? startLineServer('torch_step.py', ['--serve']) : undefined;
  if (torch === undefined) process.stdout.write('step: no torch in this Python (set PYTHON to one that has it), so ours alone\n');
  for (const each of CASES) process.stdout.write(`${await benchCase(each, torch)}\n`);
  torch?.close();
}

async function benchCase({ name, preset, batch, runs }: StepCase, torch: LineServer | undefined): Promise<string> {
  const config = maeConfig({ preset });
  const layout = flatLayout(parameterSpecs(config));
  const { value: models, ms: buildMs } = await timed(async () => [
    buildTrainingModel(config),
    buildEvalModel(config),
    buildOptimizerModel(layout.tensors),
  ]);
  const { value: trainer, ms: loadMs } = await timed(() =>
    openTrainer({
      trainingModel: models[0]!,
      layout,
      inputs: maskedInputs(config),
      microBatch: batch,
      maxPartials: 1,
      treeDepth: 0,
    }),
  );
  const inputs = formulaBatch(config, batch);
  await trainer.load({ parameters: formulaParameters(layout), step: 0 });
  const ours: number[] = [];
  const theirs: number[] = [];
  const ratios: number[] = [];
  for (let run = -WARM_UP_RUNS; run < runs; run++) {
    const { seconds } = await trainer.forwardBackward(inputs);
    const theirMs = torch === undefined ? Number.NaN : Number(JSON.parse(await torch.ask(name)).ms);
    if (run < 0) continue;
    ours.push(1000 * seconds);
    theirs.push(theirMs);
    ratios.push((1000 * seconds) / theirMs);
  }
  await trainer.close();
  const peer = torch === undefined ? '' : `, PyTorch ${median(theirs).toFixed(1)} ms, ratio ${median(ratios).toFixed(3)}`;
  return (
    `step ${preset} batch ${batch}, 1 thread, median of ${runs}: ${median(ours).toFixed(1)} ms${peer}; artifacts built in ` +
    `${buildMs.toFixed(0)} ms, trainer opened in ${loadMs.toFixed(0)} ms`
  );
}

async function timed<Value>(work: () => Promise<Value>): Promise<{ readonly value: Value; readonly ms: number }> {
  const startMs = performance.now();
  const value = await work();
  return { value, ms: performance.now() - startMs };
}
