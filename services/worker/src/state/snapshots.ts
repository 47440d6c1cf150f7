import { storageError } from '@maestro/checkpoint';
import type { StateAccess } from '@maestro/engine';
import type { StateVector } from '@maestro/optim';
import { type ElementRange, errorMessage, isMaestroError, MaestroError, type StateShard } from '@maestro/protocol';
import type { Logger } from '@maestro/telemetry';
import type { Faults } from '../process/faults.ts';
import { aborted, settlesWithin } from '../process/signals.ts';
import { createPartFile, type PartFile, PIECE_FLOATS, piecesOf, type VectorRange } from './partFile.ts';
import { onLanes } from './pieceLanes.ts';
import { sharedFloats } from './sharedVector.ts';

/** Fetches elements of a state into an array: from a trainer, or from a peer. */
export type FetchPieces = (pieces: readonly VectorRange[], into: readonly Float32Array[]) => Promise<void>;

/**
 * A worker's snapshots on disk of the states at the ends of windows: its own shard and its neighbour's. A state at a step depends only on
 * the job, so a part is valid in any later view.
 */
export interface Snapshots {
  /** Lists the complete parts. */
  offers(): StateShard[];
  /** A view starts from that step: drops parts of later ones, since those states are incomplete. */
  rewind(step: number): Promise<void>;
  /**
   * Begins to write the trainer's `chunk` of the state after `step`, which must not change before `captured`. `isCopied`: a `copy` of
   * another part follows. Never throws.
   */
  begin(step: number, chunk: ElementRange, options: { readonly isCopied: boolean }): void;
  /** Waits until the state may change: until the write has ended, or for `patienceMs`, and then abandons it. Never throws. */
  captured(): Promise<void>;
  /** Waits until the own part of that step, or of a later one, is written or abandoned. Rejects with the signal's reason. */
  settled(step: number, signal: AbortSignal): Promise<void>;
  /** Writes a part from a peer. It counts as missing until it is complete. Never throws. */
  copy(part: StateShard, options: { readonly fetch: FetchPieces; readonly signal: AbortSignal }): Promise<void>;
  /** Returns whether all these elements are in one part. */
  has(step: number, range: ElementRange): boolean;
  /** Reads elements of a part. A damaged part is dropped. @throws MaestroError `checkpoint-invalid`. */
  read(step: number, range: VectorRange, values: Float32Array): Promise<void>;
  /** Returns the total cost so far. */
  cost(): SnapshotCost;
  /** Frees everything. */
  close(): Promise<void>;
}

/** Written parts, and their cost. */
export interface SnapshotCost {
  readonly parts: number;
  readonly bytes: number;
  /**
   * Total time from the end of a window to the last byte of the own part, and of a copy from its first byte on; in parallel with the steps.
   */
  readonly ownSeconds: number;
  readonly copySeconds: number;
  /** Time for which steps were blocked. */
  readonly stalledSeconds: number;
}

/** Options of {@link openSnapshots}. */
export interface SnapshotOptions {
  /** A folder on a local disk; files in it have no names. */
  readonly dir: string;
  readonly trainer: Pick<StateAccess, 'read'>;
  /** The vectors of a state, in the order that they have on the wire and on disk. */
  readonly vectors: readonly StateVector[];
  readonly faults: Faults;
  /** Called when a part that was offered is no longer here. */
  readonly onLost: () => void;
  readonly logger: Logger;
  /** Time that a step may wait for a disk before the snapshot is abandoned. Default 2000 ms, as for checkpoints. */
  readonly patienceMs?: number;
}

interface Part extends StateShard {
  readonly file: PartFile;
}

/** Pieces requested from a peer at once: 16 MiB. */
const COPY_PIECES = 16;

/** Opens the snapshots of a job. */
export function openSnapshots({ dir, trainer, vectors, faults, onLost, logger, patienceMs = 2000 }: SnapshotOptions): Snapshots {
  const closing = new AbortController();
  let parts: readonly Part[] = [];
  let capturing: { readonly ended: Promise<void>; readonly giveUp: AbortController } | undefined;
  let lastSettled = -1;
  const wakers: (() => void)[] = [];
  let failures = 0;
  let cost: SnapshotCost = { parts: 0, bytes: 0, ownSeconds: 0, copySeconds: 0, stalledSeconds: 0 };

  const find = (step: number, { first, length }: ElementRange): Part | undefined =>
    parts.find((part) => part.step === step && part.first <= first && first + length <= part.first + part.length);

  const drop = async (isDropped: (part: Part) => boolean): Promise<void> => {
    const dropped = parts.filter(isDropped);
    parts = parts.filter((part) => !isDropped(part));
    for (const { file } of dropped) await file.close();
  };

  /** Keeps the newest `count` steps. */
  const prune = async (count: number): Promise<void> => {
    const kept = [...new Set(parts.map(({ step }) => step))].sort((a, b) => b - a).slice(0, count);
    await drop(({ step }) => !kept.includes(step));
  };

  const settle = (step: number): void => {
    lastSettled = Math.max(lastSettled, step);
    for (const wake of wakers.splice(0)) wake();
  };

  const fail = (step: number, error: unknown): void => {
    if (closing.signal.aborted) return;
    failures++;
    // Logged as an error once: a full disk stays full for a while.
    const tell = failures === 1 ? logger.error.bind(logger) : logger.debug.bind(logger);
    tell({ step, dir, error: storageError(error, `snapshot of step ${step} in ${dir}`) }, 'snapshot failed, the next window tries again');
  };

  /** Writes one part to a file; it is offered once it is complete. */
  const write = async (shard: StateShard, what: 'own part' | 'copy', fill: (file: PartFile) => Promise<void>): Promise<void> => {
    const { step, first, length } = shard;
    const startedMs = performance.now();
    const file = await createPartFile(dir, shard, vectors.length);
    try {
      await fill(file);
    } catch (error) {
      await file.close();
      throw error;
    }
    parts = [...parts, { step, first, length, isWhole: false, isStored: true, file }];
    if (failures > 0 && what === 'own part') {
      logger.info({ step, failures }, 'snapshots work again');
      failures = 0;
    }
    const seconds = (performance.now() - startedMs) / 1000;
    const { ownSeconds, copySeconds } = cost;
    const time = what === 'copy' ? { copySeconds: copySeconds + seconds } : { ownSeconds: ownSeconds + seconds };
    cost = { ...cost, parts: cost.parts + 1, bytes: cost.bytes + file.sizeBytes, ...time };
    logger.debug({ step, first, length, what, bytes: file.sizeBytes, seconds }, 'snapshot written');
  };

  const capture = async (step: number, chunk: ElementRange, isCopied: boolean, signal: AbortSignal): Promise<void> => {
    try {
      await faults.reach(step, 'snapshot');
      if (chunk.length > 0 && find(step, chunk) === undefined) {
        await write({ step, ...chunk, isWhole: false }, 'own part', (file) =>
          onLanes(piecesOf(chunk, vectors.length), async (piece, values) => {
            const { vector, ...range } = piece;
            await trainer.read({ vector: vectors[vector]!, range, values });
            // What came after it was given up may be of the next step.
            signal.throwIfAborted();
            await file.write(piece, values);
          }),
        );
      }
      // Two complete steps, and this one, whose copy is still to come.
      await prune(isCopied ? 3 : 2);
    } catch (error) {
      fail(step, error);
    } finally {
      settle(step);
    }
  };

  return {
    offers: () => parts.map(({ file: _file, ...shard }) => shard),
    async rewind(step) {
      lastSettled = Math.min(lastSettled, step);
      await drop((part) => part.step > step);
    },
    begin(step, chunk, { isCopied }) {
      if (capturing !== undefined) {
        fail(step, new MaestroError('timeout', 'snapshot: the previous one is still being written to disk'));
        return settle(step);
      }
      const giveUp = new AbortController();
      lastSettled = Math.min(lastSettled, step - 1);
      const ended = capture(step, chunk, isCopied, AbortSignal.any([giveUp.signal, closing.signal]));
      const here = { ended, giveUp };
      capturing = here;
      void ended.then(() => {
        if (capturing === here) capturing = undefined;
      });
    },
    async captured() {
      if (capturing === undefined || capturing.giveUp.signal.aborted) return;
      const { ended, giveUp } = capturing;
      const startedMs = performance.now();
      if (!(await settlesWithin(ended, patienceMs))) {
        giveUp.abort(new MaestroError('timeout', `snapshot: not on disk within ${patienceMs / 1000} s of the next step's end`));
      }
      cost = { ...cost, stalledSeconds: cost.stalledSeconds + (performance.now() - startedMs) / 1000 };
    },
    async settled(step, signal) {
      while (lastSettled < step) {
        signal.throwIfAborted();
        await Promise.race([aborted(signal), new Promise<void>((resolve) => wakers.push(resolve))]);
      }
    },
    async copy(part, { fetch, signal }) {
      if (part.length === 0 || find(part.step, part) !== undefined) return;
      const stop = AbortSignal.any([signal, closing.signal]);
      try {
        await write(part, 'copy', async (file) => {
          const buffers = Array.from({ length: COPY_PIECES }, () => sharedFloats(PIECE_FLOATS));
          for (const batch of chunked(piecesOf(part, vectors.length), COPY_PIECES)) {
            stop.throwIfAborted();
            const into = batch.map(({ length }, i) => buffers[i]!.subarray(0, length));
            await fetch(batch, into);
            for (const [i, piece] of batch.entries()) await file.write(piece, into[i]!);
          }
        });
        await prune(2);
      } catch (error) {
        if (stop.aborted) return;
        // The neighbour itself reports that it has none.
        if (!isMaestroError(error) || error.code === 'storage') fail(part.step, error);
        else logger.debug({ step: part.step, reason: errorMessage(error) }, 'no copy of the neighbour');
      }
    },
    cost: () => cost,
    has: (step, range) => find(step, range) !== undefined,
    async read(step, range, values) {
      const part = find(step, range);
      if (part === undefined) throw new MaestroError('checkpoint-invalid', `snapshot: the part of step ${step} is no longer here`);
      try {
        await part.file.read(range, values);
      } catch (error) {
        logger.error({ step, first: part.first, length: part.length, error }, 'snapshot cannot be read, it is given up');
        await drop((each) => each === part);
        onLost();
        const message = `snapshot of step ${step}: ${errorMessage(error)}`;
        throw new MaestroError('checkpoint-invalid', message, { cause: error });
      }
    },
    async close() {
      closing.abort(new MaestroError('cancelled', 'the job is left'));
      await capturing?.ended;
      await drop(() => true);
    },
  };
}

function chunked<Item>(items: readonly Item[], size: number): Item[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size));
}
