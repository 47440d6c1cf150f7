import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { openTrainer } from '@maestro/engine';
import { encodeModel } from '@maestro/graph';
import type { SegmentedFloats } from '@maestro/kernels';
import type { MaeConfig } from '@maestro/mae';
import { openNative } from '@maestro/native';
import { parseJobSpec } from '@maestro/protocol';
import { planRecipe } from '@maestro/recipes';
import { flatLayout } from '@maestro/tensors';
import { formulaInputs, formulaParameters } from '../../support/model/formula.ts';
import { median } from '../median.ts';
import { PYTHON, scriptPath } from './python.ts';

const run = promisify(execFile);

/** Small enough for float64 within seconds: the whole of the tiny model; of ViT-B some layers of its widths and of its number of tokens. */
const CASES = [
  { name: 'tiny, 8 images', preset: 'mae_vit_tiny_patch4', layers: {}, batch: 8 },
  { name: 'slice of ViT-B (2 + 1 layers), 2 images', preset: 'mae_vit_base_patch16', layers: { depth: 2, decoderDepth: 1 }, batch: 2 },
] as const;
const PRECISIONS = ['standard', 'float32', 'float32-x3', 'bfloat16'] as const;
const PEERS = { f32: 'PyTorch float32', bf16: 'PyTorch bfloat16 autocast' } as const;

/**
 * Prints the errors of gradients in each precision, and of PyTorch's in float32 and under autocast, against PyTorch in float64 on the same
 * weights and images. The error of a parameter is that of its gradient as a vector, |g - g64| / |g64|; told are the worst and the median
 * parameter.
 */
export async function benchGradientErrors(): Promise<void> {
  for (const each of CASES) process.stdout.write(`${(await compare(each)).join('\n')}\n`);
}

async function compare({ name, preset, layers, batch }: (typeof CASES)[number]): Promise<string[]> {
  const jobOf = (precision: (typeof PRECISIONS)[number]) =>
    parseJobSpec({
      model: { preset, ...layers },
      data: { format: 'image-folder', path: '/images' },
      schedule: { steps: 1, microBatch: batch },
      resources: { virtualRanks: 1 },
      precision,
    });
  const plan = await planRecipe(jobOf('standard'), { samples: batch, classes: [] });
  const config = plan.model as unknown as MaeConfig;
  const layout = flatLayout(plan.parameters);
  const folder = await mkdtemp(join(tmpdir(), 'maestro-gradients-'));
  try {
    const { imageSize, channels, patchSize, embedDim, depth, numHeads, decoderEmbedDim, decoderDepth, decoderNumHeads } = config;
    const sizes = [imageSize, channels, patchSize, embedDim, depth, numHeads, decoderEmbedDim, decoderDepth, decoderNumHeads];
    const { stdout } = await run(PYTHON, [scriptPath('torch_gradients.py'), folder, String(batch), ...sizes.map(String)]);
    const gradientOf = async (file: string): Promise<Float64Array> => {
      const bytes = await readFile(join(folder, `${file}.bin`));
      return new Float64Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / Float64Array.BYTES_PER_ELEMENT);
    };
    const exact = await gradientOf('f64');
    const trainable = layout.trainable.tensors;
    const row = (who: string, gradient: ArrayLike<number>): string => {
      const errors = trainable.map(({ name, offset, size }) => ({ name, error: relativeError(gradient, exact, offset, offset + size) }));
      const worst = errors.reduce((most, each) => (each.error > most.error ? each : most));
      const middle = median(errors.map(({ error }) => error));
      const told = `${worst.error.toExponential(1)} (${worst.name})`;
      return `  ${who.padEnd(28)}${told.padEnd(48)}${middle.toExponential(1)}`;
    };
    const rows = [`gradients of ${name}: worst parameter, median parameter, against PyTorch ${JSON.parse(stdout).torch} in float64`];
    for (const precision of PRECISIONS) {
      const library = openNative();
      if (precision !== 'standard' && library === undefined) continue;
      const trainer = await openTrainer({
        trainingModel: encodeModel(plan.buildTraining(precision)),
        ...(precision !== 'standard' && { operators: library!.path }),
        layout,
        inputs: plan.inputs,
        microBatch: batch,
        maxPartials: 1,
        treeDepth: 0,
      });
      const { images, idsShuffle } = formulaInputs(config, batch);
      await trainer.load({ parameters: formulaParameters(layout), step: 0 });
      await trainer.forwardBackward({ inputs: { images, ids_shuffle: idsShuffle }, count: batch, gradScale: plan.lossScale(batch) });
      await trainer.pushLeaf();
      await trainer.takeReduced();
      rows.push(row(precision, joined(trainer.reduced)));
      await trainer.close();
    }
    for (const [file, who] of Object.entries(PEERS)) rows.push(row(who, await gradientOf(file)));
    return rows;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function relativeError(found: ArrayLike<number>, exact: Float64Array, first: number, end: number): number {
  let [off, all] = [0, 0];
  for (let i = first; i < end; i++) {
    off += (found[i]! - exact[i]!) ** 2;
    all += exact[i]! ** 2;
  }
  return Math.sqrt(off / all);
}

function joined({ parts, length }: SegmentedFloats): Float32Array {
  const out = new Float32Array(length);
  for (const { start, floats } of parts) out.set(floats, start);
  return out;
}
