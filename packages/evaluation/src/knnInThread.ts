import { Worker } from 'node:worker_threads';
import { MaestroError } from '@maestro/protocol';
import type { FeatureSet } from './knnAccuracy.ts';

/** Input of the classifying thread. Features backed by shared memory are not copied; samples of class -1 are left out. */
export interface KnnThreadInput {
  readonly train: FeatureSet;
  readonly test: FeatureSet;
  readonly dim: number;
  readonly k: number;
  readonly temperature: number;
  /** True when rows of both already have length 1 (`toUnitRows`); they are then read in place. */
  readonly areUnit: boolean;
}

/** Progress report: test samples done so far, those of them with a class, and those classified correctly. */
export interface KnnThreadReport {
  readonly done: number;
  readonly asked: number;
  readonly correct: number;
}

/**
 * Runs `knnAccuracy` in a separate thread, for callers that must stay responsive: an ImageNet takes minutes. `onProgress` is called every
 * few seconds at least.
 * @throws the signal's reason when it aborts; the thread is then ended.
 */
export async function knnAccuracyInThread(
  input: KnnThreadInput,
  { onProgress, signal }: { readonly onProgress: () => void; readonly signal: AbortSignal },
): Promise<number> {
  signal.throwIfAborted();
  const total = input.test.labels.length;
  const thread = new Worker(new URL('./knnThread.js', import.meta.url), { workerData: input });
  const stop = (): void => void thread.terminate();
  signal.addEventListener('abort', stop, { once: true });
  try {
    return await new Promise<number>((resolve, reject) => {
      thread.on('message', (report: KnnThreadReport) => {
        onProgress();
        if (report.done === total) resolve(report.correct / report.asked);
      });
      thread.once('error', reject);
      thread.once('exit', () =>
        reject(signal.reason ?? new MaestroError('internal', 'internal: the thread that classifies ended without a result')),
      );
    });
  } finally {
    signal.removeEventListener('abort', stop);
    await thread.terminate();
  }
}
