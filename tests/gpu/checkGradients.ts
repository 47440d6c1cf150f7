import type { CudaOptions } from '@maestro/engine';
import type { Device } from '@maestro/protocol';
import type { CheckPlan } from './checkPlan.ts';
import { compare, type GradientError, readGradientFixture } from './fixture.ts';
import { orFailed, type Settled } from './orFailed.ts';
import { type CaseName, type DeviceOptions, gradientOf, type TrainingCase, trainingCase } from './trainingCase.ts';

/** Largest error over the largest gradient of a tensor, in float32 on any device. */
const TOLERANCES: Readonly<Record<CaseName, number>> = { nano: 2.3e-6, tiny: 2.3e-6, vitB: 2e-5 };

/** How a gradient is computed, and whether its error is judged: TF32 has 10 bits of mantissa, and is told but not judged. */
interface GradientSetting {
  readonly engine: 'capi' | 'node';
  readonly precision: string;
  readonly isJudged: boolean;
  readonly cuda?: CudaOptions;
}

/** The settings of a device. On CUDA onnxruntime-node cannot turn TF32 on or off: it has what the provider likes, which is on. */
function gradientSettings(device: Device): readonly GradientSetting[] {
  const float32 = { engine: 'capi', precision: 'float32', isJudged: true } as const;
  if (device !== 'cuda') return [float32, { ...float32, engine: 'node' }];
  return [
    { ...float32, cuda: { tf32: false } },
    { engine: 'capi', precision: 'tf32', isJudged: false, cuda: { tf32: true } },
    // Reductions that are not deterministic are other kernels, which need no cuDNN.
    { engine: 'capi', precision: 'float32, not deterministic', isJudged: false, cuda: { tf32: false, deterministic: false } },
    { engine: 'node', precision: "the provider's default", isJudged: false },
  ];
}

/** Compares the gradients of models with what a CPU computed. */
export async function checkGradients({ device, models }: CheckPlan) {
  const results: (Settled & { readonly passed: boolean })[] = [];
  for (const model of models) {
    const each = trainingCase(model);
    for (const { engine, precision, isJudged, cuda } of gradientSettings(device)) {
      const options: DeviceOptions = { device, engine, ...(cuda !== undefined && { cuda }) };
      const settled = await orFailed({ model, precision, engine, isJudged }, () => gradientError(each, options));
      const isRight =
        !settled.isFailed && settled.opened === engine && Math.max(settled.lossError, settled.sampleError) <= TOLERANCES[model];
      results.push({ ...settled, passed: isRight || (!isJudged && !settled.isFailed) });
    }
  }
  return {
    passed: results.every(({ passed }) => passed),
    tolerance: TOLERANCES,
    results,
    halfPrecision: { skipped: 'training graphs in float16 or bfloat16 are not there yet' },
  };
}

async function gradientError(each: TrainingCase, options: DeviceOptions): Promise<GradientError & { readonly opened: string }> {
  const fixture = readGradientFixture(each.name);
  const trainer = await each.open(fixture.images, options);
  try {
    return { opened: trainer.engine, ...compare(each.layout, await gradientOf(each, trainer, fixture.images), fixture) };
  } finally {
    await trainer.close();
  }
}
