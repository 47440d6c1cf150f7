import { arch, cpus, platform, release } from 'node:os';
import { type CudaOptions, diagnoseDevice, runtimeBuild } from '@maestro/engine';
import { type Device, MaestroError } from '@maestro/protocol';
import { compare, type GradientError, hashOf, readGradientFixture } from './fixture.ts';
import { timeSteps } from './throughput.ts';
import { timeTorch } from './torchPeer.ts';
import { type CaseName, type DeviceOptions, gradientOf, trainingCase } from './trainingCase.ts';
import { checkCurve } from './trainingCurve.ts';

/** The parts of the check, in their order. */
export const PARTS = ['gradients', 'repeatability', 'curve', 'throughput', 'torch'] as const;
export type Part = (typeof PARTS)[number];

/** What is checked, and how large. */
export interface CheckPlan {
  readonly device: Device;
  readonly parts: readonly Part[];
  readonly models: readonly CaseName[];
  /** Batches of ViT-B/16 that are timed, and how often each. */
  readonly batches: readonly number[];
  readonly runs: number;
}

/** Largest error over the largest gradient of a tensor: float32 on any device; TF32 has 10 bits of mantissa, and is told but not judged. */
const TOLERANCE = 2.3e-6;
const TOLERANCE_VIT_B = 2e-5;

/** What the check found; `passed` is whether all that is judged is as it should be. */
export interface CheckReport {
  readonly passed: boolean;
  readonly [part: string]: unknown;
}

/**
 * Runs the check. `onPart` is told of each part as it begins.
 * @throws MaestroError `device-unavailable` with all that is missing.
 */
export async function runCheck(plan: CheckPlan, onPart: (part: string) => void): Promise<CheckReport> {
  const { device } = plan;
  const { ok, findings } = await diagnoseDevice(device);
  if (!ok) {
    const missing = findings.filter((finding) => !finding.ok).map(({ what, found, fix }) => `${what}: ${found}. ${fix}`);
    throw new MaestroError('device-unavailable', `device ${device} cannot be used here. ${missing.join(' ')}`, { details: { findings } });
  }
  const report: Record<string, unknown> = {
    device,
    runtime: runtimeBuild(),
    node: process.version,
    machine: { platform: platform(), release: release(), arch: arch(), cpu: cpus()[0]?.model, cores: cpus().length },
  };
  let passed = true;
  const part = async (name: Part, run: () => Promise<{ readonly passed?: boolean; readonly [key: string]: unknown }>): Promise<void> => {
    if (!plan.parts.includes(name)) return;
    onPart(name);
    const result = await run();
    report[name] = result;
    passed &&= result.passed !== false;
  };
  await part('gradients', () => checkGradients(plan));
  await part('repeatability', () => checkRepeatability(plan));
  await part('curve', async () => {
    const curve = await checkCurve(trainingCase('nano'), { device, engine: 'auto' });
    return { ...curve, passed: curve.isLikeCpu };
  });
  await part('throughput', () => measureThroughput(plan));
  await part('torch', async () => ({ result: await timeTorch(device, plan.batches, plan.runs) }));
  return { passed, ...report };
}

/** The settings whose errors are told: float32, then what trades it for speed. */
function precisions({ device }: CheckPlan): { readonly precision: string; readonly cuda?: CudaOptions }[] {
  return device === 'cuda'
    ? [
        { precision: 'float32', cuda: { tf32: false } },
        { precision: 'tf32', cuda: { tf32: true } },
      ]
    : [{ precision: 'float32' }];
}

async function checkGradients(plan: CheckPlan) {
  const results: (GradientError & {
    readonly model: CaseName;
    readonly precision: string;
    readonly engine: string;
    readonly passed: boolean;
  })[] = [];
  for (const model of plan.models) {
    const each = trainingCase(model);
    const fixture = readGradientFixture(model);
    for (const { precision, ...settings } of precisions(plan)) {
      for (const engine of ['capi', 'node'] as const) {
        // onnxruntime-node cannot turn TF32 on or off.
        if (engine === 'node' && precision !== 'float32') continue;
        const trainer = await each.open(fixture.images, { device: plan.device, engine, ...settings });
        const found = await gradientOf(each, trainer, fixture.images);
        await trainer.close();
        const error = compare(each.layout, found, fixture);
        const tolerance = model === 'vitB' ? TOLERANCE_VIT_B : TOLERANCE;
        // CUDA's own default, which onnxruntime-node keeps, is TF32 on.
        const isJudged = precision === 'float32' && (plan.device !== 'cuda' || engine === 'capi');
        const isRight = trainer.engine === engine && error.loss <= tolerance && error.samples <= tolerance;
        results.push({ model, precision, engine: trainer.engine, ...error, passed: !isJudged || isRight });
      }
    }
  }
  return {
    passed: results.every((result) => result.passed),
    tolerance: { nano: TOLERANCE, tiny: TOLERANCE, vitB: TOLERANCE_VIT_B },
    results,
    halfPrecision: { skipped: 'training graphs in float16 or bfloat16 are not there yet' },
  };
}

async function checkRepeatability(plan: CheckPlan) {
  const model: CaseName = plan.models.includes('tiny') ? 'tiny' : plan.models[0]!;
  const each = trainingCase(model);
  const hashes: string[] = [];
  for (let session = 0; session < 2; session++) {
    const trainer = await each.open(2, { device: plan.device, engine: 'auto' });
    for (let run = 0; run < 2; run++) hashes.push(hashOf((await gradientOf(each, trainer, 2)).gradient));
    await trainer.close();
  }
  return { passed: new Set(hashes).size === 1, model, runs: hashes.length, distinct: new Set(hashes).size };
}

async function measureThroughput({ device, batches, runs }: CheckPlan) {
  const each = trainingCase('vitB');
  const ways: DeviceOptions[] = [
    { device, engine: 'capi' },
    { device, engine: 'node' },
    ...(device === 'cuda' ? [{ device, engine: 'capi', cuda: { tf32: true } } as const] : []),
  ];
  const results: unknown[] = [];
  for (const batch of batches) {
    for (const options of ways) {
      const precision =
        options.cuda?.tf32 === true ? 'tf32' : options.engine === 'node' && device === 'cuda' ? 'as the provider likes' : 'float32';
      results.push({ precision, ...(await timeSteps(each, batch, runs, options)) });
    }
  }
  return { results };
}
