import { Worker } from 'node:worker_threads';
import { allocateProgress, type BatchViews, errorMessage, failureTimeouts, MaestroError, watchProgress } from '@maestro/protocol';
import type { Dataset } from '../formats/dataset.ts';
import type { PositionRange } from '../schedule/schedule.ts';
import type { BatchConfig } from './batchFiller.ts';
import { type BatchOrder, createBatchRing } from './batchRing.ts';
import { fillFault } from './fillFault.ts';
import { allocateSlot, type LoaderReply, type LoaderRequest, type SlotMemory, slotViews } from './loaderMessages.ts';
import type { FillerSource } from './sampleFiller.ts';
import type { SkippedSample } from './skippedSample.ts';

/** Options of {@link openLoader}. Those beyond {@link BatchConfig} do not change a bit of any batch. */
export interface LoaderOptions extends BatchConfig {
  readonly dataset: Dataset;
  /** Locates the module that fills in the inputs of a sample. */
  readonly filler: FillerSource;
  /** Maximum samples in a batch. */
  readonly microBatch: number;
  /** Number of decoding threads, at least 1 (default 1). sharp runs in libuv's pool: above 4, raise UV_THREADPOOL_SIZE as well. */
  readonly threads?: number;
  /** Number of batches prepared ahead of the one in use, 1 or more (default 2). Memory: (ahead + 1) x microBatch samples of all inputs. */
  readonly aheadBatches?: number;
  /**
   * Time that a filler may take for one sample; reading its image does not count. A thread that takes longer is ended, and with it the
   * loader. Default 15,000.
   */
  readonly sampleMs?: number;
  /** Closes the loader; pending calls reject with `cancelled`. */
  readonly signal?: AbortSignal;
}

/** One loaded batch, valid until it is released. */
export interface MicroBatch {
  /** Inputs by name, [count, ...shape], backed by shared memory. */
  readonly inputs: BatchViews;
  /** Number of samples in the batch: the requested positions minus the broken ones. */
  readonly count: number;
  /** The samples that could not be decoded. */
  readonly skipped: readonly SkippedSample[];
  /** Digest of all samples at the requested positions, including broken ones ({@link sampleDigest}, added modulo 2^52). */
  readonly digest: number;
  /** Digest of the same samples and their bytes. */
  readonly content: number;
  /** Pairs of samples and their content hashes, for {@link ContentTable.compare}. */
  readonly readings: Float64Array;
  /** Returns the memory to the loader; the views must not be used afterwards. Idempotent. */
  release(): void;
}

/** Makes batches ahead of their use, off the calling thread, in a fixed ring of shared memory. */
export interface Loader {
  /**
   * Announces the next batches, in order, replacing the previous announcement. Batches made but no longer wanted are dropped. As many are
   * made ahead as the ring holds.
   */
  prefetch(batches: readonly PositionRange[]): void;
  /**
   * Returns the batch of `positions`, made now if it was not prefetched.
   *
   * @throws MaestroError `data-invalid` when samples cannot be read, `invalid-argument` when the filler throws or does not return
   * (permanent: each later call fails alike; broken samples are only left out), `cancelled` when `signal` aborts or the loader is closed,
   * `internal` when every batch of the ring is held unreleased.
   */
  batch(positions: PositionRange, options?: { readonly signal?: AbortSignal }): Promise<MicroBatch>;
  /** Ends the threads. Batches in use stay readable. */
  close(): Promise<void>;
}

/** How often a thread's progress is looked at within `sampleMs`. */
const LOOKS_PER_SAMPLE = 6;

interface Waiter {
  resolve(): void;
  reject(error: MaestroError): void;
}

/** Starts a loader. */
export function openLoader(options: LoaderOptions): Loader {
  const { dataset, imageSize, channels, augment, seed, inputs, filler, microBatch, threads = 1, aheadBatches = 2, signal } = options;
  const { sampleMs = failureTimeouts().sampleMs } = options;
  for (const [name, value] of Object.entries({ imageSize, microBatch, threads, aheadBatches, sampleMs })) {
    if (!Number.isSafeInteger(value) || value < 1) {
      throw new MaestroError('invalid-argument', `openLoader: ${name} must be a whole number of at least 1, found ${value}`);
    }
  }
  const slots: SlotMemory[] = Array.from({ length: aheadBatches + 1 }, () => allocateSlot(inputs, microBatch));
  const ring = createBatchRing(slots.length);
  const config: BatchConfig = { imageSize, channels, augment, seed, inputs };
  const progress = Array.from({ length: threads }, allocateProgress);
  const workers = progress.map(
    (own) =>
      new Worker(new URL('./loaderThread.js', import.meta.url), {
        workerData: { source: dataset.source, config, filler, slots, microBatch, progress: own },
      }),
  );
  const looks = progress.map((own) => watchProgress(own, LOOKS_PER_SAMPLE));
  const idle = [...workers];
  const waiters = new Map<BatchOrder, Waiter>();
  let failure: MaestroError | undefined;

  const fail = (error: MaestroError) => {
    if (failure !== undefined) return;
    failure = error;
    clearInterval(watching);
    for (const { reject } of waiters.values()) reject(error);
  };

  const pump = () => {
    while (failure === undefined && idle.length > 0) {
      const order = ring.next();
      if (order === undefined) return;
      idle.pop()!.postMessage({ slot: order.slot, positions: order.positions } satisfies LoaderRequest);
    }
  };

  const receive = (worker: Worker, reply: LoaderReply) => {
    idle.push(worker);
    if ('code' in reply) {
      fail(new MaestroError(reply.code, reply.message));
      return;
    }
    const order = ring.fill(reply.slot, reply);
    if (order !== undefined) waiters.get(order)?.resolve();
    pump();
  };

  for (const worker of workers) {
    worker.on('message', (reply: LoaderReply) => receive(worker, reply));
    worker.on('error', (cause) =>
      fail(new MaestroError('internal', `internal: a loader thread failed: ${errorMessage(cause)}`, { cause })),
    );
    worker.on('exit', (code) => fail(new MaestroError('internal', `internal: a loader thread ended by itself (exit code ${code})`)));
  }

  const watching = setInterval(() => {
    for (const [at, look] of looks.entries()) {
      const sample = look();
      if (sample === undefined) continue;
      fail(fillFault(filler.author, { dataset, sample }, `it did not return within ${sampleMs / 1000} s`));
      // Nothing but its end stops a loop that never returns.
      void workers[at]!.terminate();
    }
  }, sampleMs / LOOKS_PER_SAMPLE);
  watching.unref();

  /** Resolves when the order is filled. */
  const untilFilled = (order: BatchOrder, waitSignal: AbortSignal | undefined): Promise<void> =>
    new Promise((resolve, reject) => {
      const settle = () => {
        waiters.delete(order);
        waitSignal?.removeEventListener('abort', cancel);
      };
      const cancel = () => {
        settle();
        ring.cancel(order);
        reject(new MaestroError('cancelled', 'waiting for a batch was cancelled'));
        pump();
      };
      waiters.set(order, {
        resolve: () => {
          settle();
          resolve();
        },
        reject: (error) => {
          settle();
          reject(error);
        },
      });
      waitSignal?.addEventListener('abort', cancel, { once: true });
      pump();
    });

  const close = async () => {
    signal?.removeEventListener('abort', abort);
    fail(new MaestroError('cancelled', 'the loader was closed'));
    await Promise.all(workers.map((worker) => worker.terminate()));
  };
  const abort = () => void close();
  if (signal?.aborted) abort();
  else signal?.addEventListener('abort', abort, { once: true });

  return {
    prefetch: (batches) => {
      ring.want(batches);
      pump();
    },
    batch: async (positions, { signal: waitSignal } = {}) => {
      if (failure !== undefined) throw failure;
      if (waitSignal?.aborted) throw new MaestroError('cancelled', 'waiting for a batch was cancelled');
      if (positions.count > microBatch) {
        throw new MaestroError('internal', `internal: a batch of ${positions.count} asked of a loader made for ${microBatch}`);
      }
      if (ring.isHeld) {
        throw new MaestroError(
          'internal',
          `internal: all ${slots.length} batches of the loader are held; release one before asking for more`,
        );
      }
      const order = ring.claim(positions);
      if (order.state !== 'filled') await untilFilled(order, waitSignal);
      ring.take(order);
      const { slot } = order;
      const { count, skipped, digest, content, readings } = order.filled!;
      let isReleased = false;
      return {
        inputs: slotViews(inputs, slots[slot]!, count),
        count,
        skipped,
        digest,
        content,
        readings,
        release: () => {
          if (isReleased) return;
          isReleased = true;
          ring.release(slot);
          pump();
        },
      };
    },
    close,
  };
}
