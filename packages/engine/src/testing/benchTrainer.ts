import { copyFloats } from '@maestro/kernels';
import { openTrainer } from '../index.ts';
import { TOY_INPUTS, toyBatch, toyLayout, toyParameters, toyTrainingModel } from './toyModel.ts';

/**
 * `node packages/engine/dist/testing/benchTrainer.js [hidden] [steps]`: resident memory over many steps, which must stay flat,
 * and what a step takes with outputs in place and copied. 33 parameters a hidden unit.
 */
const [hidden = 60_000, steps = 1000] = process.argv.slice(2).map(Number);
const layout = toyLayout(hidden);
const print = (text: string) => process.stdout.write(`${text}\n`);
const rssMegabytes = () => (process.memoryUsage.rss() / 1e6).toFixed(0);

for (const outputPath of ['in-place', 'copying'] as const) {
  const trainer = await openTrainer({
    trainingModel: toyTrainingModel(layout),
    layout,
    inputs: TOY_INPUTS,
    microBatch: 4,
    maxPartials: 1,
    treeDepth: 1,
    outputPath,
  });
  await trainer.load({ parameters: toyParameters(layout), step: 0 });
  print(`${outputPath}: ${(layout.length / 1e6).toFixed(1)} M parameters`);
  const gradientSeconds: number[] = [];
  const applySeconds: number[] = [];
  for (let step = 1; step <= steps; step++) {
    gradientSeconds.push((await trainer.forwardBackward(toyBatch(4, step))).seconds);
    await trainer.pushLeaf();
    await trainer.takePartial(0);
    copyFloats(trainer.reduced, trainer.partials[0]!);
    applySeconds.push((await trainer.apply({ lr: 1e-4, step })).seconds);
    if (step % Math.ceil(steps / 5) === 0 || step === 10) print(`  step ${step}: resident ${rssMegabytes()} MB`);
  }
  print(`  median: forward and backward ${median(gradientSeconds)} ms, apply ${median(applySeconds)} ms`);
  await trainer.close();
  print(`  closed: resident ${rssMegabytes()} MB`);
}

function median(seconds: readonly number[]): string {
  return (1000 * [...seconds].sort((a, b) => a - b)[Math.floor(seconds.length / 2)]!).toFixed(2);
}
