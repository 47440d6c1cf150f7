import { createHash } from 'node:crypto';
import { expect, test } from '@jest/globals';
import type { Engine } from '@maestro/engine';
import { copyFloats } from '@maestro/kernels';
import { maeConfig, parameterSpecs } from '@maestro/mae';
import { flatLayout } from '@maestro/tensors';
import { formulaBatch, openFormulaTrainer } from '../support/model/formulaTrainer.ts';

const config = maeConfig({ preset: 'mae_vit_tiny_patch4' });
const layout = flatLayout(parameterSpecs(config));
const IMAGES = 8;

/** Losses, and the hash of gradients and state, of two steps of the tiny preset. */
async function train(options: { readonly engine: Engine; readonly isResident?: boolean }) {
  const trainer = await openFormulaTrainer({ config, layout }, { microBatch: IMAGES, ...options });
  try {
    const batch = formulaBatch(config, IMAGES);
    const hash = createHash('sha256');
    const gradient = new Float32Array(layout.length);
    const losses: number[] = [];
    for (const step of [1, 2]) {
      losses.push((await trainer.forwardBackward(batch)).loss);
      await trainer.pushLeaf();
      await trainer.takeReduced();
      copyFloats(gradient, trainer.reduced);
      hash.update(gradient);
      await trainer.apply({ lr: 1e-3, step });
    }
    const { parameters, firstMoments, secondMoments } = await trainer.snapshot();
    for (const vector of [parameters, firstMoments, secondMoments!]) hash.update(vector);
    return { engine: trainer.engine, result: { losses, hash: hash.digest('hex') } };
  } finally {
    await trainer.close();
  }
}

test('the tiny preset trains to the same bits by onnxruntime-node and the C API, with state on host or with ONNX Runtime', async () => {
  const node = await train({ engine: 'node' });
  const host = await train({ engine: 'capi' });
  const resident = await train({ engine: 'capi', isResident: true });
  expect([node, host, resident].map(({ engine }) => engine)).toEqual(['node', 'capi', 'capi']);
  expect(node.result.losses[1]).toBeLessThan(node.result.losses[0]!);
  expect(host.result).toEqual(node.result);
  expect(resident.result).toEqual(node.result);
});
