import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { median } from '../median.ts';

/** Answer of `engineMain.js` for one training step. */
export interface EngineStep {
  readonly forwardBackwardMs: number;
  readonly applyMs: number;
  readonly residentBytes: number;
  readonly peakBytes: number;
  readonly loss: number;
}

const CASES = [
  { name: 'tiny', batch: 64, runs: 15 },
  { name: 'vitB', batch: 4, runs: 7 },
] as const;
const WAYS = [
  { title: 'node', args: ['node', 'host'] },
  { title: 'capi', args: ['capi', 'host'] },
  { title: 'capi, state with ONNX Runtime', args: ['capi', 'resident'] },
] as const;

/**
 * Compares training steps on one CPU thread by onnxruntime-node and by the C API, in separate processes that take turns: medians, the ratio
 * pair by pair, and memory. `MAESTRO_BENCH_ENGINE` picks a case.
 */
export async function benchEngine(): Promise<void> {
  const pick = process.env['MAESTRO_BENCH_ENGINE'] ?? '';
  for (const { name, batch, runs } of CASES.filter((each) => each.name.includes(pick))) {
    const workers = WAYS.map(({ args }) =>
      fork(fileURLToPath(new URL('./engineMain.js', import.meta.url)), [...args, name, String(batch)]),
    );
    const steps: EngineStep[][] = WAYS.map(() => []);
    for (let run = -1; run < runs; run++) {
      for (const [i, worker] of workers.entries()) {
        worker.send('step');
        const [step] = (await once(worker, 'message')) as [EngineStep];
        if (run >= 0) steps[i]!.push(step);
      }
    }
    for (const worker of workers) worker.disconnect();
    await Promise.all(workers.map((worker) => once(worker, 'exit')));
    for (const [i, own] of steps.entries()) {
      const of = (kind: keyof EngineStep): number => median(own.map((step) => step[kind]));
      const ratio = median(own.map(({ forwardBackwardMs }, run) => forwardBackwardMs / steps[0]![run]!.forwardBackwardMs));
      const memory = `resident ${(of('residentBytes') / 1e6).toFixed(0)} MB, peak ${(own.at(-1)!.peakBytes / 1e6).toFixed(0)} MB`;
      const times =
        `forward and backward ${of('forwardBackwardMs').toFixed(1)} ms (${ratio.toFixed(3)} of node), apply ` +
        `${of('applyMs').toFixed(1)} ms`;
      const isSame = own.every(({ loss }, run) => loss === steps[0]![run]!.loss);
      process.stdout.write(
        `engine ${name} batch ${batch}, ${WAYS[i]!.title}: ${times}, ${memory}; losses ${isSame ? 'equal' : 'DIFFER'}\n`,
      );
    }
  }
}
