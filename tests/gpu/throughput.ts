import { type CudaOptions, type TransferTimes, timeTransfers } from '@maestro/engine';
import { copyFloats } from '@maestro/kernels';
import { median } from '../bench/median.ts';
import type { CheckPlan } from './checkPlan.ts';
import { orFailed, type Settled } from './orFailed.ts';
import { type DeviceOptions, formulaBatch, type TrainingCase, trainingCase } from './trainingCase.ts';

/** Where the time of a training step goes, in milliseconds (medians). */
export interface StepTimes {
  /** Whether parameters, gradients and moments stay on the device. */
  readonly isResident: boolean;
  readonly imagesPerSecond: number;
  readonly stepMs: number;
  /** Images, where state is on the device; else parameters too. With peers the reduced gradient as well. */
  readonly hostToDeviceMs: number;
  /** Forward, backward and AdamW. */
  readonly computeMs: number;
  /** With peers, or where state is on the host, the gradient. */
  readonly deviceToHostMs: number;
  /** Loss of the first step, by which to see that it is the model that others time. */
  readonly firstLoss: number;
}

/** What of a step is timed: one without peers, or with the gradient on its way to them and back; the exchange itself is not in it. */
type Exchange = 'alone' | 'with peers';

interface Way {
  readonly engine: 'capi' | 'node';
  readonly precision: string;
  readonly exchange: Exchange;
  readonly cuda?: CudaOptions;
}

function waysOn({ device }: CheckPlan): readonly Way[] {
  const precisions =
    device === 'cuda'
      ? [
          { precision: 'float32', cuda: { tf32: false } },
          { precision: 'tf32', cuda: { tf32: true } },
        ]
      : [{ precision: 'float32' }];
  return [
    ...precisions.flatMap((precision) =>
      (['alone', 'with peers'] as const).map((exchange) => ({ engine: 'capi', ...precision, exchange }) as const),
    ),
    { engine: 'node', precision: device === 'cuda' ? "the provider's default" : 'float32', exchange: 'with peers' },
  ];
}

/** Times training steps of one model at several batch sizes, by both engines. */
export async function measureThroughput(plan: CheckPlan) {
  const { device, timedModel, batches, runs } = plan;
  const each = trainingCase(timedModel);
  // onnxruntime-node cannot tell its copies from the computation, so that they are timed apart.
  const transfers =
    device === 'cpu'
      ? { isFailed: false as const, toDeviceSeconds: 0, toHostSeconds: 0 }
      : await orFailed({}, () => timeTransfers(each.layout, { device, threads: 1 }, runs));
  const results: Settled[] = [];
  for (const batch of batches) {
    for (const { engine, precision, exchange, cuda } of waysOn(plan)) {
      const options: DeviceOptions = { device, engine, ...(cuda !== undefined && { cuda }) };
      const carried = engine === 'node' && !transfers.isFailed ? transfers : undefined;
      const split = engine === 'node' && device !== 'cpu' ? (transfers.isFailed ? 'unknown' : 'by copies timed apart') : 'measured';
      results.push(
        await orFailed({ batch, engine, precision, exchange, split }, () => timeSteps(each, { batch, runs, exchange, carried }, options)),
      );
    }
  }
  return { model: timedModel, passed: results.every(({ isFailed }) => !isFailed), results };
}

/** Times whole training steps. `carried` is what an engine's copies take that cannot tell them from computing. */
async function timeSteps(
  each: TrainingCase,
  {
    batch,
    runs,
    exchange,
    carried,
  }: { readonly batch: number; readonly runs: number; readonly exchange: Exchange; readonly carried?: TransferTimes | undefined },
  options: DeviceOptions,
): Promise<StepTimes> {
  const trainer = await each.open(batch, options);
  try {
    if (trainer.engine !== options.engine) throw new Error(`${options.engine} could not be opened`);
    const inputs = formulaBatch(each.config, batch);
    const times: { step: number; send: number; fetch: number; compute: number }[] = [];
    let firstLoss = Number.NaN;
    for (let step = 1; step <= runs + 1; step++) {
      const startedMs = performance.now();
      const forward = await trainer.forwardBackward(inputs);
      await trainer.pushLeaf();
      const fetchedMs = performance.now();
      if (exchange === 'alone') await trainer.keepReduced();
      else await trainer.takePartial(0);
      const fetch = performance.now() - fetchedMs;
      // In the place of the exchange, which is not timed.
      const exchangedMs = performance.now();
      if (exchange === 'with peers') copyFloats(trainer.reduced, trainer.partials[0]!);
      const exchanged = performance.now() - exchangedMs;
      const apply = await trainer.apply({ lr: 1e-4, step });
      if (step === 1) firstLoss = forward.loss;
      // The first warms up.
      else {
        const send = 1000 * (carried?.toDeviceSeconds ?? (forward.sendSeconds ?? 0) + apply.sendSeconds);
        const back = exchange === 'alone' ? 0 : carried === undefined ? fetch : 1000 * carried.toHostSeconds;
        const step = performance.now() - startedMs - exchanged;
        times.push({ step, send, fetch: back, compute: Math.max(0, step - send - back) });
      }
    }
    const of = (kind: keyof (typeof times)[number]): number => Math.round(100 * median(times.map((time) => time[kind]))) / 100;
    return {
      isResident: trainer.isResident,
      imagesPerSecond: Math.round((1e6 * batch) / of('step')) / 1000,
      stepMs: of('step'),
      hostToDeviceMs: of('send'),
      computeMs: of('compute'),
      deviceToHostMs: of('fetch'),
      firstLoss,
    };
  } finally {
    await trainer.close();
  }
}
