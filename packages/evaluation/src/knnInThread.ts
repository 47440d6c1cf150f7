import { Worker } from 'node:worker_threads';
import { MaestroError } from '@maestro/protocol';
import type { FeatureSet } from './knnAccuracy.ts';

/** What the thread that classifies is given. Features backed by shared memory are not copied; samples of class -1 are left out. */
export interface KnnThreadInput {
  readonly train: FeatureSet;
  readonly test: FeatureSet;
  readonly dim: number;
  readonly k: number;
  readonly temperature: number;
  /** Rows of both have length 1 already (`toUnitRows`), and are read where they lie. */
  readonly areUnit: boolean;
}

/** What it says after each part: test samples so far, how many of them have a class, and how many of those it got right. */
export interface KnnThreadReport {
  readonly done: number;
  readonly asked: number;
  readonly correct: number;
}

/**
 * `knnAccuracy` in a thread of its own, for callers who must go on answering: an ImageNet takes minutes. `onProgress` is called every few
 * seconds at least.
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
