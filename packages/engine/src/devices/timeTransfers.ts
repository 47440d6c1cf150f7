import { maxSegmentFloats, openSegments, planSegments } from '@maestro/kernels';
import type { FlatLayout } from '@maestro/tensors';
import { bindOutputs, runInPlace } from '../gradients/outputPath.ts';
import { parameterTensors, tensorViews } from '../gradients/parameterFeeds.ts';
import { openSession, type SessionOptions } from '../session.ts';
import { transferModel } from '../trainer/elementwiseModels.ts';

/** What it takes to carry a whole vector over the bus, one way each, in seconds (medians). */
export interface TransferTimes {
  readonly toDeviceSeconds: number;
  readonly toHostSeconds: number;
}

/**
 * Times how onnxruntime-node carries a vector of `layout` to a device, and back. Its runs cannot tell these parts from the computation, so
 * graphs are timed that hardly compute: one that takes a vector and gives a number, and one that gives the vector too.
 *
 * @throws MaestroError `device-unavailable` when ONNX Runtime refuses the device.
 */
export async function timeTransfers(layout: FlatLayout, options: SessionOptions, runs: number): Promise<TransferTimes> {
  const plan = planSegments({ length: layout.length, tensors: layout.tensors, maxFloats: maxSegmentFloats(2) });
  const { vectors } = openSegments({ plan, vectors: ['there', 'back'] });
  const feeds = parameterTensors(layout, tensorViews(layout, vectors.there!), 'from.');
  const back = parameterTensors(layout, tensorViews(layout, vectors.back!), 'to.');
  const there = await timeRuns(feeds, {});
  const thereAndBack = await timeRuns(feeds, back);
  return { toDeviceSeconds: there, toHostSeconds: Math.max(0, thereAndBack - there) };

  async function timeRuns(inputs: typeof feeds, outputs: typeof back): Promise<number> {
    const isReturned = Object.keys(outputs).length > 0;
    const session = await openSession('transfer model', transferModel(layout, { isReturned }), options);
    try {
      const binding = bindOutputs(session.outputNames[0]!, outputs);
      const seconds: number[] = [];
      for (let run = 0; run <= runs; run++) {
        const startedMs = performance.now();
        if (isReturned) await runInPlace(session, inputs, binding);
        else await session.run(inputs, ['squares']);
        // The first one warms up.
        if (run > 0) seconds.push((performance.now() - startedMs) / 1000);
      }
      return seconds.sort((a, b) => a - b)[seconds.length >> 1]!;
    } finally {
      await session.release();
    }
  }
}
