import { arch, cpus, platform, release } from 'node:os';
import { describeLacks, diagnoseDevice, runtimeBuild } from '@maestro/engine';
import { errorMessage, MaestroError } from '@maestro/protocol';
import { checkGradients } from './checkGradients.ts';
import { type CheckPlan, PARTS, type Part } from './checkPlan.ts';
import { hashOf } from './fixture.ts';
import { measureThroughput } from './throughput.ts';
import { timeTorch } from './torchPeer.ts';
import { type CaseName, gradientOf, trainingCase } from './trainingCase.ts';
import { checkCurve } from './trainingCurve.ts';

/** What the check found so far. */
export interface CheckReport {
  /** Whether all that was judged is as it should be, and every part that was asked for has run to its end. */
  passed: boolean;
  /** Parts that have not run to their end. */
  unfinished: Part[];
  [part: string]: unknown;
}

/** What a part of the check gives; one that is only measured does not judge. */
interface PartResult {
  readonly passed?: boolean;
  readonly [key: string]: unknown;
}

/** What a reader needs who has the report alone. */
const ABOUT = {
  errors: 'against a CPU in float32: lossError and normError are relative, sampleError is over the largest gradient of its tensor',
  times: 'of whole training steps (forward, backward, AdamW) in milliseconds, medians of `plan.runs` steps after those that warm up',
  judged: 'gradients in float32 by the engine capi (by node too where it can turn TF32 off), repeatability, the shape of the curve',
} as const;

/** Begins a report of what is checked, and where. */
export function beginReport({ device, parts, timedModel, batches, runs }: CheckPlan): CheckReport {
  return {
    passed: false,
    unfinished: [...parts],
    about: ABOUT,
    device,
    plan: { timedModel, batches, runs },
    runtime: runtimeBuild(),
    node: process.version,
    machine: { platform: platform(), release: release(), arch: arch(), cpu: cpus()[0]?.model, cores: cpus().length },
  };
}

/**
 * Runs the check, and writes to `report` part by part. A part that fails is told with its error, and leaves the others alone. `onPart` is
 * told of each part as it begins.
 * @throws MaestroError `device-unavailable` with all that is missing.
 */
export async function runCheck(plan: CheckPlan, report: CheckReport, onPart: (part: string) => void): Promise<void> {
  const { device } = plan;
  const { ok, findings } = await diagnoseDevice(device);
  report['findings'] = findings;
  if (!ok) throw new MaestroError('device-unavailable', `device ${device} cannot be used here. ${describeLacks(findings)}`);
  const parts: Readonly<Record<Part, () => Promise<PartResult>>> = {
    gradients: () => checkGradients(plan),
    repeatability: () => checkRepeatability(plan),
    curve: async () => {
      const curve = await checkCurve(trainingCase('nano'), { device, engine: 'auto' });
      return { ...curve, passed: curve.isLikeCpu };
    },
    throughput: () => measureThroughput(plan),
    torch: async () => ({ ...(await timeTorch(plan)) }),
  };
  const judged: boolean[] = [];
  for (const name of PARTS.filter((each) => plan.parts.includes(each))) {
    onPart(name);
    const result = await parts[name]().catch((error: unknown): PartResult => ({ passed: false, failed: errorMessage(error) }));
    report[name] = result;
    report.unfinished = report.unfinished.filter((each) => each !== name);
    judged.push(result.passed !== false);
  }
  report.passed = judged.every(Boolean);
}

async function checkRepeatability({ device, models }: CheckPlan) {
  const model: CaseName = models.includes('tiny') ? 'tiny' : models[0]!;
  const each = trainingCase(model);
  const hashes: string[] = [];
  for (let session = 0; session < 2; session++) {
    const trainer = await each.open(2, { device, engine: 'auto' });
    try {
      for (let run = 0; run < 2; run++) hashes.push(hashOf((await gradientOf(each, trainer, 2)).gradient));
    } finally {
      await trainer.close();
    }
  }
  return { passed: new Set(hashes).size === 1, model, runs: hashes.length, distinct: new Set(hashes).size };
}
