import { afterEach, expect, test } from '@jest/globals';
import { openTrainer, type Trainer } from '@maestro/engine';
import { maeConfig, maskedInputs, parameterSpecs, trainingGraph } from '@maestro/mae';
import { openNative, PRECISIONS } from '@maestro/native';
import { parseJobSpec } from '@maestro/protocol';
import { flatLayout } from '@maestro/tensors';
import { gradientStages } from './gradientStages.ts';
import { buildJobModel } from './trainingModel.ts';

const TIMEOUT_MS = 120_000;
/** Small, and large enough for two stages. */
const MODEL = { preset: 'mae_vit_tiny_patch4', imageSize: 16, embedDim: 120, depth: 3, decoderEmbedDim: 64, decoderNumHeads: 2 };

const opened: Trainer[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((trainer) => trainer.close()));
});

test.each(['standard', ...(openNative() === undefined ? [] : PRECISIONS)])(
  '%s: the training graph in stages gives the bits of the whole one',
  async (precision) => {
    const spec = parseJobSpec({ model: MODEL, data: { format: 'idx', path: '/i' }, schedule: { steps: 1 }, precision });
    const config = maeConfig(spec.model);
    const specs = parameterSpecs(config);
    const layout = flatLayout(specs);
    const stages = gradientStages(layout.trainable);
    expect(stages).toHaveLength(2);
    const parameters = new Float32Array(new SharedArrayBuffer(4 * layout.length)).map((_, i) => 0.05 * Math.sin(i));
    const images = new Float32Array(new SharedArrayBuffer(4 * 4 * 256)).map((_, i) => Math.cos(i));
    const ids = new BigInt64Array(new SharedArrayBuffer(8 * 4 * 16)).map((_, i) => BigInt((5 * i) % 16));
    const gradientOf = async (isStaged: boolean): Promise<{ loss: number; bytes: Buffer }> => {
      const training = buildJobModel({ buildTraining: (of) => trainingGraph(config, specs, of) }, spec, isStaged ? stages : []);
      const trainer = await openTrainer({
        trainingModel: training.model,
        stages: training.stages,
        ...(training.native !== undefined && { operators: training.native.path }),
        layout,
        inputs: maskedInputs(config),
        microBatch: 4,
        maxPartials: 1,
        treeDepth: 0,
      });
      opened.push(trainer);
      expect(trainer.engine).toBe(isStaged || precision !== 'standard' ? 'capi' : 'node');
      await trainer.load({ parameters, step: 0 });
      const batch = { inputs: { images, ids_shuffle: ids }, count: 4, gradScale: 0.01 };
      let loss = 0;
      // Twice: the second time everything is bound.
      for (let k = 0; k < 2; k++) {
        if (isStaged) {
          const results = stages.map((_, stage) => trainer.finishPartial({ ...batch, stage, merges: 0, partial: 0 }));
          loss = (await Promise.all(results))[0]!.loss;
        } else {
          ({ loss } = await trainer.forwardBackward(batch));
          await trainer.pushLeaf();
          await trainer.takePartial(0);
        }
      }
      return {
        loss,
        bytes: Buffer.concat(
          trainer.partials[0]!.parts.map(({ floats: { buffer, byteOffset, byteLength } }) =>
            Buffer.from(buffer.slice(byteOffset, byteOffset + byteLength)),
          ),
        ),
      };
    };
    const whole = await gradientOf(false);
    const staged = await gradientOf(true);
    expect(staged.loss).toBe(whole.loss);
    expect(Buffer.compare(staged.bytes, whole.bytes)).toBe(0);
  },
  TIMEOUT_MS,
);
