import { Worker } from 'node:worker_threads';
import { allocateProgress, type ErrorCode, MaestroError, recipeFault, recipeOf, watchProgress } from '@maestro/protocol';
import type { PlanSource } from '@maestro/recipes';
import type { FlatLayout, FlatTensor } from '@maestro/tensors';

/** Initial parameters of a job. */
export interface InitialState {
  /** Backed by shared memory. */
  readonly parameters: Float32Array;
  /** Resolves with the SHA-256 (hex) of their bytes, which is computed while they are already in use. */
  readonly hash: Promise<string>;
}

/** What the thread says: that all is drawn, then the hash; or what went wrong. */
export type InitialiseReply =
  | { readonly isDrawn: true }
  | { readonly hash: string }
  | { readonly code: ErrorCode; readonly message: string };

/** Options of {@link initialise}. */
export interface InitialiseOptions {
  /** Time that one parameter may take to be drawn, in milliseconds. */
  readonly drawMs: number;
  readonly signal: AbortSignal;
}

/** How often the thread is looked at within `drawMs`. */
const LOOKS = 6;

/**
 * Draws a job's initial parameters in a separate thread: ViT-B's 112 million take part of a second, in which the main thread must keep
 * answering its peers. What draws them may be other people's code, and not return.
 * @throws the signal's reason when it aborts; MaestroError `invalid-argument` that names recipe and parameter. The thread is then ended.
 */
export async function initialise(plan: PlanSource, layout: FlatLayout, { drawMs, signal }: InitialiseOptions): Promise<InitialState> {
  signal.throwIfAborted();
  const memory = new SharedArrayBuffer(layout.length * Float32Array.BYTES_PER_ELEMENT);
  const progress = allocateProgress();
  const thread = new Worker(new URL('./initialiseThread.js', import.meta.url), { workerData: { plan, memory, progress } });
  const stop = (): void => void thread.terminate();
  signal.addEventListener('abort', stop, { once: true });
  let drawn: () => void = () => undefined;
  const drawing = new Promise<void>((resolve) => {
    drawn = resolve;
  });
  const hash = new Promise<string>((resolve, reject) => {
    const look = watchProgress(progress, LOOKS);
    const watching = setInterval(() => {
      const late = look();
      if (late !== undefined) reject(lateFault(plan, layout.tensors[late]!, drawMs));
    }, drawMs / LOOKS);
    thread.on('message', (reply: InitialiseReply) => {
      if ('isDrawn' in reply) clearInterval(watching);
      if ('isDrawn' in reply) drawn();
      else if ('hash' in reply) resolve(reply.hash);
      else reject(new MaestroError(reply.code, reply.message));
    });
    thread.once('error', reject);
    thread.once('exit', () => {
      clearInterval(watching);
      reject(signal.reason ?? new MaestroError('internal', 'internal: the initialising thread ended without a result'));
    });
  }).finally(() => {
    signal.removeEventListener('abort', stop);
    stop();
  });
  await Promise.race([drawing, hash]);
  return { parameters: new Float32Array(memory), hash };
}

function lateFault({ spec }: PlanSource, { name }: FlatTensor, drawMs: number): MaestroError {
  return recipeFault(recipeOf(spec), `drawParameter of ${name}`, `it did not return within ${drawMs / 1000} s`);
}
