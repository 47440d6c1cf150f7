import { Worker } from 'node:worker_threads';
import { MaestroError } from '@maestro/protocol';
import type { PlanSource } from '@maestro/recipes';
import type { FlatLayout } from '@maestro/tensors';

/** Initial parameters of a job. */
export interface InitialState {
  /** Backed by shared memory. */
  readonly parameters: Float32Array;
  /** SHA-256 (hex) of their bytes. */
  readonly hash: string;
}

/**
 * Draws a job's initial parameters in a separate thread: ViT-B's 112 million take seconds, in which the main thread must keep answering its
 * peers.
 * @throws the signal's reason when it aborts; the thread is then ended.
 */
export async function initialise(
  plan: PlanSource,
  layout: FlatLayout,
  { signal }: { readonly signal: AbortSignal },
): Promise<InitialState> {
  signal.throwIfAborted();
  const memory = new SharedArrayBuffer(layout.length * Float32Array.BYTES_PER_ELEMENT);
  const thread = new Worker(new URL('./initialiseThread.js', import.meta.url), { workerData: { plan, memory } });
  const stop = (): void => void thread.terminate();
  signal.addEventListener('abort', stop, { once: true });
  try {
    const hash = await new Promise<string>((resolve, reject) => {
      thread.once('message', resolve);
      thread.once('error', reject);
      thread.once('exit', () =>
        reject(signal.reason ?? new MaestroError('internal', 'internal: the initialising thread ended without a result')),
      );
    });
    return { parameters: new Float32Array(memory), hash };
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
