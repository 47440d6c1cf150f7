import {
  type CheckpointPhase,
  flatTensors,
  retainCheckpoints,
  type TrainingTensors,
  type WrittenCheckpoint,
  writeCheckpoint,
} from '@maestro/checkpoint';
import type { StateAccess } from '@maestro/engine';
import { errorMessage, isMaestroError, MaestroError } from '@maestro/protocol';
import type { Logger } from '@maestro/telemetry';
import type { ParameterLayout } from '@maestro/tensors';
import { settlesWithin } from '../process/signals.ts';
import { type CheckpointRules, isCheckpointDue, keepEverySteps, retryDelayMs } from './checkpointRules.ts';

/** Facts for `state.json` about the last step before a checkpoint. */
export interface StepFacts {
  /** Loss of the step; used by `keepBest`. */
  readonly loss?: number;
}

/** Returns the state to write when it is not only the trainer's, in memory that stays unchanged until the next call. */
export type Capture = () => Promise<TrainingTensors>;

/** A checkpoint on disk, with its cost. */
export interface TimedCheckpoint extends WrittenCheckpoint {
  /** Time for which the step loop was blocked. */
  readonly stallSeconds: number;
  /** Time from the copy to the rename. */
  readonly writeSeconds: number;
}

/** A checkpoint that could not be written. */
export interface FailedCheckpoint {
  readonly step: number;
  readonly error: MaestroError;
  /** Time (by the given clock) after which the first step boundary retries. */
  readonly retryAtMs: number;
}

/** Writes a job's checkpoints. The trainer must be between steps when it is called; only the writing member calls it. */
export interface Checkpointer {
  /**
   * Call after every step. Begins a checkpoint when one is due, or when the retry of a failed one is due; otherwise does nothing. Blocks
   * the step loop only for the memory copy, and never throws.
   */
  stepDone(step: number, facts?: StepFacts): Promise<void>;
  /**
   * For callers that must collect the state first: returns whether `begin` is to be called at this step, as `stepDone` would decide, after
   * the same wait for the previous write. Never throws.
   */
  claim(step: number): Promise<boolean>;
  /** Like `stepDone`, for a checkpoint wanted at any step: now, or at the next `stepDone` that can. Never throws. */
  begin(step: number, facts?: StepFacts, capture?: Capture): Promise<void>;
  /**
   * Writes the trainer's state before it resolves, unless this step is on disk already.
   * @throws MaestroError `storage`, or the error of `capture`
   */
  write(step: number, facts?: StepFacts, capture?: Capture): Promise<void>;
  /** Waits for the write in progress: until then the memory of the trainer's snapshot is in use. */
  idle(): Promise<void>;
  /** Waits for the write in progress, and closes. */
  close(): Promise<void>;
}

/** Options of {@link createCheckpointer}. */
export interface CheckpointerOptions extends CheckpointRules {
  /** The job's checkpoint folder. */
  readonly root: string;
  readonly layout: ParameterLayout;
  readonly trainer: Pick<StateAccess, 'snapshot' | 'prepareSnapshot'>;
  /** Content of `state.json` besides the step and its facts. */
  readonly state: Readonly<Record<string, unknown>>;
  readonly onWritten: (checkpoint: TimedCheckpoint) => void;
  readonly onFailed?: (failure: FailedCheckpoint) => void;
  /** For tests and fault injection: see writeCheckpoint. */
  readonly onPhase?: (phase: CheckpointPhase, step: number) => void | Promise<void>;
  readonly logger: Logger;
  /** Returns milliseconds since any fixed time. Default Date.now. */
  readonly now?: () => number;
  /**
   * Time that a due checkpoint waits, once, for the previous write to end; after that it is postponed to a later step. Keeps checkpoints at
   * their steps when steps take milliseconds, and bounds the cost of a hanging disk. Default 2000 ms.
   */
  readonly patienceMs?: number;
}

/** A background write; it never rejects. */
interface BackgroundWrite {
  readonly step: number;
  readonly settled: Promise<void>;
  wasWaitedFor: boolean;
}

/**
 * Opens a checkpointer. A failed background write is logged and does not stop training; it is retried at later steps until one succeeds.
 */
export function createCheckpointer(options: CheckpointerOptions): Checkpointer {
  const { root, layout, trainer, state, onWritten, onFailed, onPhase, logger, now = Date.now, patienceMs = 2000 } = options;
  const closing = new AbortController();
  let preparing: Promise<void> | undefined;
  let background: BackgroundWrite | undefined;
  let lastWritten = -1;
  let isWanted = false;
  let failures = 0;
  let retryAtMs = Number.NEGATIVE_INFINITY;

  /** Copies the state; the inner promise is the write. */
  const copy = async (
    step: number,
    facts: StepFacts,
    startedMs: number,
    capture: Capture = snapshot,
  ): Promise<{ readonly written: Promise<void> }> => {
    const tensors = await capture();
    return { written: write(step, facts, tensors, { startedMs, copiedMs: performance.now() }) };
  };

  const snapshot: Capture = async () => {
    const { parameters, firstMoments, secondMoments } = await trainer.snapshot();
    return {
      parameters: flatTensors(layout, parameters),
      firstMoments: flatTensors(layout.trainable, firstMoments),
      ...(secondMoments && { secondMoments: flatTensors(layout.trainable, secondMoments) }),
    };
  };

  const write = async (
    step: number,
    facts: StepFacts,
    tensors: TrainingTensors,
    { startedMs, copiedMs }: { readonly startedMs: number; readonly copiedMs: number },
  ): Promise<void> => {
    const written = await writeCheckpoint({
      root,
      step,
      ...tensors,
      state: { ...state, ...facts },
      ...(onPhase && { onPhase: (phase) => onPhase(phase, step) }),
    });
    const timed = { ...written, stallSeconds: (copiedMs - startedMs) / 1000, writeSeconds: (performance.now() - copiedMs) / 1000 };
    lastWritten = step;
    if (failures > 0) logger.info({ step, failures }, 'checkpoints work again');
    failures = 0;
    retryAtMs = Number.NEGATIVE_INFINITY;
    const { dir, sizeBytes, stallSeconds, writeSeconds } = timed;
    logger.info({ step, dir, sizeBytes, stallSeconds, writeSeconds }, 'checkpoint written');
    onWritten(timed);
    await retain(step);
  };

  const retain = async (step: number): Promise<void> => {
    try {
      await retainCheckpoints(root, { ...options, current: step, keepEverySteps: keepEverySteps(options) });
    } catch (error) {
      logger.warn({ step, error }, 'old checkpoints could not be removed');
    }
  };

  const fail = (step: number, caught: unknown): void => {
    const error = isMaestroError(caught)
      ? caught
      : new MaestroError('internal', `internal: checkpoint of step ${step}: ${errorMessage(caught)}`, { cause: caught });
    isWanted = true;
    failures++;
    const delayMs = retryDelayMs(failures);
    retryAtMs = now() + delayMs;
    logger.error({ step, error, failures, retryAfterSeconds: delayMs / 1000 }, 'checkpoint failed, training goes on without it');
    onFailed?.({ step, error, retryAtMs });
  };

  /** Returns true when no write is in progress any more. */
  const isIdle = async (step: number): Promise<boolean> => {
    if (background === undefined) return true;
    const current = background;
    if (current.wasWaitedFor) return false;
    current.wasWaitedFor = true;
    if (await settlesWithin(current.settled, patienceMs)) return true;
    logger.warn({ step, writing: current.step }, 'checkpoint put off, the one before is still being written');
    return false;
  };

  const beginIfWanted = async (step: number, facts: StepFacts, capture?: Capture): Promise<void> => {
    if (!isWanted || now() < retryAtMs) return;
    const startedMs = performance.now();
    if (!(await isIdle(step)) || now() < retryAtMs) return;
    isWanted = false;
    try {
      const { written } = await copy(step, facts, startedMs, capture);
      const settled = written
        .catch((error: unknown) => fail(step, error))
        .finally(() => {
          background = undefined;
        });
      background = { step, settled, wasWaitedFor: false };
    } catch (error) {
      fail(step, error);
    }
  };

  const prepare = (step: number): void => {
    preparing ??= trainer
      .prepareSnapshot({ signal: closing.signal })
      .catch((error: unknown) => logger.warn({ error }, 'the memory of snapshots could not be taken ahead'));
    isWanted ||= isCheckpointDue(step, options);
  };

  return {
    async stepDone(step, facts = {}) {
      prepare(step);
      await beginIfWanted(step, facts);
    },
    async claim(step) {
      prepare(step);
      return isWanted && now() >= retryAtMs && (await isIdle(step)) && now() >= retryAtMs;
    },
    async begin(step, facts = {}, capture) {
      isWanted = true;
      await beginIfWanted(step, facts, capture);
    },
    async write(step, facts = {}, capture) {
      await background?.settled;
      if (lastWritten !== step) await (await copy(step, facts, performance.now(), capture)).written;
    },
    async idle() {
      await background?.settled;
    },
    async close() {
      closing.abort();
      await Promise.all([preparing, background?.settled]);
    },
  };
}
